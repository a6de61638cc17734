import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { compile } from '../processes/compile.js';

const SCHEMA = new URL('../../prisma/schema.prisma', import.meta.url);
const resolve = createRequire(import.meta.url).resolve;

/**
 * Makes the Prisma client of a schema, as one file of plain JavaScript, unless it is there already. Needs no network.
 *
 * @param target `prismaClient.js` beside the compiled process that loads it
 * @param onStart told when there is something to do, which takes a moment
 */
export async function generateClient(target: URL, onStart: () => void, schema: URL = SCHEMA): Promise<void> {
  const stamp = await currentStamp(schema);
  if ((await stampOf(target)) === stamp) return;
  onStart();
  const here = new URL('.', target);
  await mkdir(here, { recursive: true });
  // In a folder of its own: another run may be generating as well.
  const folder = await mkdtemp(fileURLToPath(new URL('generating-', here)));
  try {
    await copyFile(schema, join(folder, 'schema.prisma'));
    await runPrisma(folder);
    await compile(pathToFileURL(join(folder, 'generated/client.ts')), target, { firstLine: stamp });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runPrisma(cwd: string): Promise<void> {
  const env = {
    ...process.env,
    // It runs no engine here; it only wants to see one, and would download it.
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  };
  const command = [resolve('prisma/build/index.js'), 'generate', '--schema', 'schema.prisma'];
  await promisify(execFile)(process.execPath, command, { cwd, env });
}

/** Tells a client of this schema and this Prisma from any other. Files' dates would not: an upgrade may bring older ones. */
async function currentStamp(schema: URL): Promise<string> {
  const hash = createHash('sha256');
  for (const source of [schema, resolve('@prisma/client/package.json'), resolve('prisma/package.json')]) {
    hash.update(await readFile(source));
  }
  return `// ${hash.digest('hex')}`;
}

async function stampOf(target: URL): Promise<string | undefined> {
  const text = await readFile(target, 'utf8').catch(() => '');
  return text.split('\n', 1)[0];
}
