import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Generates the Prisma client of the tests, where it is missing or older than its schema. Needs no network. */
export default function generate(): void {
  const require = createRequire(import.meta.url);
  const sources = [`${folder}schema.prisma`, require.resolve('@prisma/client/package.json')];
  const generated = `${folder}generated/client.ts`;
  const isNew = existsSync(generated) && sources.every((source) => changedAt(source) <= changedAt(generated));
  if (isNew) return;
  // It runs no engine here; it only wants to see one, and would download it.
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  };
  execFileSync(process.execPath, [require.resolve('prisma/build/index.js'), 'generate', '--schema', 'schema.prisma'], {
    cwd: folder,
    env,
    stdio: 'pipe',
  });
}

function changedAt(path: string): number {
  return statSync(path).mtimeMs;
}
