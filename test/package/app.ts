import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TemporaryFolder } from '../support/temporaryFolder.js';
import { packedPackages, run, test } from './packed.js';
import { printed } from './printed.js';

/** An application in a folder of its own, with the packages of the README and a Prisma client. */
export interface App {
  write(file: string, text: string): Promise<void>;
  node(file: string): Promise<string>;
  /** Runs the folder's tests with Jest, in one process. */
  jest(): Promise<{ passed: number; failed: number }>;
  tsc(...args: string[]): Promise<void>;
  remove(): Promise<void>;
}

export interface AppOptions {
  type: 'module' | 'commonjs';
  /** The generator of the client: `prisma-client` writes TypeScript, `prisma-client-js` JavaScript. */
  generator: 'prisma-client' | 'prisma-client-js';
  /** Further packages to install. */
  extra?: string[];
  /** Further files in its folder, as text by file name. */
  files?: Readonly<Record<string, string>>;
}

export async function makeApp(
  { type, generator, extra = [], files = {} }: AppOptions,
  databaseUrl: string,
): Promise<App> {
  const temporary = await TemporaryFolder.make('test');
  const folder = join(temporary.path, 'app');
  const write = async (file: string, text: string) => {
    await mkdir(join(folder, file, '..'), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  const environment = { DATABASE_URL: databaseUrl };
  const app: App = {
    write,
    node: (file) => run('node', [file], folder, environment),
    async jest() {
      const report = JSON.parse(await run('jest', ['--runInBand', '--json'], folder, environment));
      return { passed: report.numPassedTests, failed: report.numFailedTests };
    },
    tsc: async (...args) => void (await run('tsc', args, folder)),
    remove: () => temporary.remove(),
  };
  try {
    await write('package.json', JSON.stringify({ name: 'app', private: true, type }));
    await write('prisma/schema.prisma', schema(generator));
    for (const [file, text] of Object.entries(files)) await write(file, text);
    const what = [...(await namedInReadme()), ...extra];
    await run('npm', ['install', ...INSTALL_QUIETLY, ...(await Promise.all(what.map(sourceOf)))], folder);
    await run('prisma', ['generate'], folder, OFFLINE);
    return app;
  } catch (error) {
    await app.remove();
    throw error;
  }
}

export const INSTALL_QUIETLY = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--prefer-offline'];

/** `prisma generate` runs no engine; it only wants to see one, and would download it. */
export const OFFLINE = {
  PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  CHECKPOINT_DISABLE: '1',
};

/** The packages in the README's own `npm install` lines. */
async function namedInReadme(): Promise<string[]> {
  const lines = [...(await printed('README.md', 'Knex', 'sh')), ...(await printed('README.md', 'Prisma', 'sh'))];
  const installed = lines.flatMap((line) => /^npm install (.+)/.exec(line)?.[1]?.split(' ') ?? []);
  return [...new Set(installed)];
}

/** Ours as packed, others in the version that the tests have. */
async function sourceOf(name: string): Promise<string> {
  const ours = (await packedPackages()).find((one) => one.name === name);
  if (ours) return ours.tarball;
  const { version } = JSON.parse(await readFile(join(test, 'node_modules', name, 'package.json'), 'utf8'));
  return `${name}@${version}`;
}

/** The place that `prisma init` chooses. */
export function schema(generator: AppOptions['generator']): string {
  return `
generator client {
  provider = "${generator}"
  output   = "../generated/prisma"
}

datasource db {
  provider = "postgresql"
}

model User {
  id    Int    @id @default(autoincrement())
  email String @unique
}
`;
}
