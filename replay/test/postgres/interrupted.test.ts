import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { usePostgres } from '@tenure/test/support/usePostgres.js';
import { afterEach, expect, test, vi } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COMMAND = ['--conditions=@tenure/source', '--import', 'tsx', 'replay/src/main.ts', '--quick', '--only', 'stock'];

const postgres = await usePostgres();
/** A replay takes its time to begin on a machine that has other things to do. */
vi.setConfig({ testTimeout: 90_000 });
let stop: (() => void) | undefined;
afterEach(() => stop?.());

/** Starts a replay on the test's server, and resolves once the app is at work. */
async function startReplay() {
  const replay = spawn(process.execPath, COMMAND, {
    cwd: ROOT,
    env: { ...process.env, DATABASE_URL: postgres.url },
    stdio: 'ignore',
  });
  stop = () => replay.kill('SIGKILL');
  await vi.waitFor(async () => expect((await postgres.activity()).length).toBeGreaterThan(20), {
    timeout: 80_000,
    interval: 100,
  });
  return replay;
}

async function leftBehind() {
  const schemas = await postgres.admin(`select nspname from pg_namespace where nspname like 'tenure_replay_%'`);
  return [...schemas, ...(await postgres.activity())];
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s in the middle leaves no session and no schema', async (signal, code) => {
  const replay = await startReplay();
  replay.kill(signal);
  expect(await once(replay, 'exit')).toEqual([code, null]);
  expect(await leftBehind()).toEqual([]);
});

test('so does a kill that it cannot hear, a moment later', async () => {
  const replay = await startReplay();
  replay.kill('SIGKILL');
  await once(replay, 'exit');
  await vi.waitFor(async () => expect(await leftBehind()).toEqual([]), { timeout: 15_000, interval: 100 });
});
