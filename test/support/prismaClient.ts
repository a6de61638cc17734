import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CannotStartError, describeCause } from './cannotStart.js';
import { type OnSlow, step } from './step.js';
import { TemporaryFolder } from './temporaryFolder.js';

const resolve = createRequire(import.meta.url).resolve;
const LIMIT_MS = 60_000;
const NAME = 'Generating the Prisma client';

const ENV = {
  // Prisma runs no schema engine here, but downloads one unless it finds a file.
  PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
  PRISMA_HIDE_UPDATE_MESSAGE: '1',
  CHECKPOINT_DISABLE: '1',
};

/**
 * Generates the Prisma client of a schema, and passes its folder to `use`, which may read it until it returns. Needs no network.
 *
 * @throws CannotStartError when Prisma fails, with its output
 */
export async function withPrismaClient(
  schema: URL,
  onSlow: OnSlow,
  use: (generated: string) => Promise<unknown>,
): Promise<void> {
  await using folder = await TemporaryFolder.make('prisma');
  await copyFile(schema, join(folder.path, 'schema.prisma'));
  await step(NAME, onSlow, generate(folder), LIMIT_MS);
  await use(join(folder.path, 'generated'));
}

async function generate(folder: TemporaryFolder): Promise<void> {
  const args = [resolve('prisma/build/index.js'), 'generate', '--schema', 'schema.prisma'];
  // Prisma leaves a cache in the temporary folder.
  const env = { ...process.env, ...ENV, TMPDIR: folder.path };
  const prisma = await folder.start(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const [printed, [code]] = await Promise.all([text(prisma.stderr!), once(prisma, 'exit')]);
  if (code !== 0)
    throw new CannotStartError(`${NAME} failed`, describeCause(printed, { unknown: 'see what it printed.' }), printed);
}

/** A text that differs for each schema and each version of Prisma. Dates of files would not: an upgrade may bring older ones. */
export async function prismaStamp(schema: URL): Promise<string> {
  const hash = createHash('sha256');
  for (const source of [schema, resolve('@prisma/client/package.json'), resolve('prisma/package.json')]) {
    hash.update(await readFile(source));
  }
  return hash.digest('hex');
}
