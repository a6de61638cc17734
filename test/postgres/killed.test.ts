import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startPostgres } from '../support/postgres.js';
import { TemporaryFolder } from '../support/temporaryFolder.js';

/** Each starts several processes, one after the other. */
vi.setConfig({ testTimeout: 90_000 });
afterEach(() => void vi.unstubAllEnvs());

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;

/** The content of the temporary folder in each phase. */
const PHASES: readonly [string, RegExp][] = [
  ['has made its folder', /^tenure-postgres-/],
  ['makes the cluster', /\/password$/],
  ['starts the server', /\/data\/postmaster\.pid$/],
];

let temporary: string;
beforeEach(async () => {
  const folder = await TemporaryFolder.make('test');
  await chmod(folder.path, 0o755);
  temporary = join(await realpath(folder.path), 'tmp');
  await mkdir(temporary);
  await chmod(temporary, 0o777);
  return () => folder.remove();
});

function start(): ChildProcess {
  return spawn(process.execPath, ['--import', 'tsx', 'support/startAndWait.ts'], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

/** The files and the processes that are left. A command line names the folder that a program works in. */
async function left(): Promise<string[]> {
  return [...(await readdir(temporary)), ...(await processesOf(temporary)).map(({ command }) => command)];
}

describe.each(SIGNALS)('a process that %s ends', (signal) => {
  it.each(PHASES)('while it %s leaves no file and no process', async (_, mark) => {
    const child = start();
    await vi.waitUntil(async () => (await filesIn(temporary)).some((path) => mark.test(path)), {
      timeout: 60_000,
      interval: 2,
    });
    await end(child, signal);
    await expect.poll(left).toEqual([]);
  });

  it('while its server runs leaves no file and no process', async () => {
    const child = start();
    await once(child.stdout!, 'data');
    await end(child, signal);
    await expect.poll(left).toEqual([]);
  });
});

it('what a process leaves behind that is killed together with its guard goes with the next start', async () => {
  const child = start();
  await once(child.stdout!, 'data');
  const guard = (await processesOf(temporary)).find(({ command }) => command.includes(' guard '));
  process.kill(guard!.pid, 'SIGKILL');
  await end(child, 'SIGKILL');
  expect(await left()).not.toEqual([]);

  vi.stubEnv('TMPDIR', temporary);
  const server = await startPostgres();
  expect(await readdir(temporary)).toHaveLength(1);
  await server.stop();
  expect(await left()).toEqual([]);
});

it('a start leaves alone what another process uses', async () => {
  vi.stubEnv('TMPDIR', temporary);
  await using first = await startPostgres();
  const child = start();
  await once(child.stdout!, 'data');
  await expect(first.admin('select 1')).resolves.toHaveLength(1);
  await end(child, 'SIGTERM');
});

/** Paths of what the folder holds, three levels deep. */
async function filesIn(folder: string, depth = 3): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const below = depth > 1 ? await Promise.all(names.map((name) => filesIn(join(folder, name), depth - 1))) : [];
  return names.flatMap((name, index) => [name, ...(below[index] ?? []).map((path) => `${name}/${path}`)]);
}

interface Process {
  pid: number;
  command: string;
}

async function processesOf(folder: string): Promise<Process[]> {
  const found: Process[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    if (command.includes(folder)) found.push({ pid: Number(pid), command });
  }
  return found;
}
