import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

function run(what: string): Promise<{ code: number | null; output: string }> {
  const script = fileURLToPath(new URL('exitScript.ts', import.meta.url));
  const options = ['--import', 'tsx', '--conditions=@tenure/source'];
  const child = spawn(process.execPath, [...options, script, postgres.url, what], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

it('lets the process exit with a connection open that is not needed', async () => {
  expect(await run('unref')).toEqual({ code: 0, output: '' });
});

it('keeps the process until a connection that is not needed has been closed', async () => {
  expect(await run('close')).toEqual({ code: 0, output: 'closed\n' });
});

it('keeps the process while a connection is needed, until it is lost', async () => {
  const ended = run('ref');
  await expect.poll(() => postgres.activity(), { timeout: 10_000 }).toHaveLength(1);
  await postgres.terminateBackends();
  expect(await ended).toEqual({ code: 0, output: 'lost\n' });
});
