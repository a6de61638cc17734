import { access, constants, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TemporaryFolder } from '@tenure/test/support/temporaryFolder.js';

const REPLAY = new URL('../../', import.meta.url);
const buildFolders = new Map<string, Promise<URL>>();

/**
 * The place of a compiled file: `dist` of its workspace package. If the checkout is read-only, it is a folder that is removed
 * with this process, and that resolves the same packages as the workspace package.
 *
 * @param root the folder of the workspace package; default: the replay's
 */
export async function builtFile(name: string, root: URL = REPLAY): Promise<URL> {
  const folder = buildFolders.get(root.href) ?? makeBuildFolder(root);
  buildFolders.set(root.href, folder);
  return new URL(name, await folder);
}

async function makeBuildFolder(root: URL): Promise<URL> {
  const dist = new URL('dist/', root);
  if (await isWritable(dist)) return dist;
  const { path } = await TemporaryFolder.make('build');
  await writeFile(join(path, 'package.json'), '{ "type": "module" }');
  await symlink(fileURLToPath(new URL('node_modules', root)), join(path, 'node_modules'));
  return pathToFileURL(`${path}/`);
}

/** The place of results that the user keeps: `results` of the workspace package, or a new temporary folder if the checkout is read-only. */
export async function resultsFolder(root: URL = REPLAY): Promise<URL> {
  const results = new URL('results/', root);
  if (await isWritable(results)) return results;
  return pathToFileURL(`${await mkdtemp(join(tmpdir(), 'tenure-results-'))}/`);
}

async function isWritable(folder: URL): Promise<boolean> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
