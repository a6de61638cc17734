import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** A package as it would be published. `pnpm run package` packs them all. */
export interface Packed {
  name: string;
  tarball: string;
}

export const project = fileURLToPath(new URL('../..', import.meta.url));
export const test = join(project, 'test');

export async function packedPackages(): Promise<Packed[]> {
  const packages = join(project, 'packages');
  const folders = await readdir(packages);
  return Promise.all(
    folders.map(async (folder) => {
      const { name, version } = JSON.parse(await readFile(join(packages, folder, 'package.json'), 'utf8'));
      const file = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
      return { name, tarball: join(test, 'package/packed', file) };
    }),
  );
}

/** Runs a program of the workspace. If it fails, the error contains its output. */
export async function run(
  program: string,
  args: string[],
  cwd = test,
  env: Record<string, string> = {},
  options: { timeout?: number } = {},
): Promise<string> {
  const bins = [join(test, 'node_modules/.bin'), join(project, 'node_modules/.bin')];
  const PATH = [...bins, process.env.PATH].join(':');
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      ...options,
      cwd,
      env: { ...process.env, ...env, PATH },
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}
