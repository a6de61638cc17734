import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

const crashScript = new URL('crashScript.ts', import.meta.url);
const idleScript = new URL('idleScript.ts', import.meta.url);

function run(script: URL, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const options = ['--import', 'tsx', '--conditions=@tenure/source'];
  const child = spawn(process.execPath, [...options, fileURLToPath(script), postgres.url, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

describe('A session that is killed', () => {
  it.each([['idle'], ['checked out'], ['in a transaction']])(
    'while %s ends a process with pg.Pool, and none with ours',
    async (when) => {
      expect(await run(crashScript, 'stock', when)).toMatchObject({ code: 1 });
      expect(await run(crashScript, 'tenure', when)).toEqual({ code: 0, output: 'still serves 1\n' });
    },
  );

  it.each([['in mid-query'], ['connecting']])('%s ends no process', async (when) => {
    expect(await run(crashScript, 'tenure', when)).toEqual({ code: 0, output: 'still serves 1\n' });
  });
});

it.each([
  ['stock', 'in a callback'],
  ['tenure', 'in a callback'],
  ['tenure', 'in the callback of connect'],
])('with the %s pool, what the app throws %s is an uncaught exception, and the pool goes on', async (which, where) => {
  expect(await run(crashScript, which, where)).toEqual({ code: 0, output: 'still serves 1\n' });
});

it.each([
  ['stock', { allowExitOnIdle: true }, 'exits at once'],
  ['tenure', { allowExitOnIdle: true }, 'exits at once'],
  ['stock', { allowExitOnIdle: false, idleTimeoutMillis: 1_500 }, 'exits after a while'],
  ['tenure', { allowExitOnIdle: false, idleTimeoutMillis: 1_500 }, 'exits after a while'],
  ['stock', { idleTimeoutMillis: 1_500 }, 'exits after a while'],
  ['tenure', { idleTimeoutMillis: 1_500 }, 'exits at once'],
])('with the %s pool and %j, a process that is done %3$s', async (which, options, when) => {
  expect(await run(idleScript, which, JSON.stringify(options))).toEqual({ code: 0, output: `${when}\n` });
});
