import { access, constants, mkdir, mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { TemporaryFolder } from '@tenure/test/support/temporaryFolder.js';

const REPLAY = new URL('../../', import.meta.url);
const buildFolders = new Map<string, Promise<URL>>();

/**
 * Where a file that is compiled goes: into the `dist` of its workspace package. In a checkout that is read-only, into a folder that goes
 * with this process, and that sees the packages which the workspace package sees.
 *
 * @param root the folder of the workspace package; default the replay's
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

/** Where results that the user keeps go: into `results` of the workspace package, or, in a checkout that is read-only, a new temporary folder. */
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
