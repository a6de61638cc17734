import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { turnTlsOn } from './tlsServer.js';

const postgres = await usePostgres();
const ca = await turnTlsOn(postgres);

/** The exit code of one whose top-level `await` nothing will ever settle. */
const NOTHING_LEFT_TO_DO = 13;

function run(what: string, env: Record<string, string> = {}): Promise<{ code: number | null; output: string }> {
  const script = fileURLToPath(new URL('exitScript.ts', import.meta.url));
  const options = ['--import', 'tsx', '--conditions=@tenure/source'];
  const child = spawn(process.execPath, [...options, script, postgres.url, what], {
    stdio: ['ignore', 'pipe', what === 'open' ? 'ignore' : 'inherit'],
    env: { ...process.env, ...env },
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

/** The server has a session before the process has its connection, which asks what is in front of the server first. */
async function untilOpen(): Promise<void> {
  await expect.poll(() => postgres.activity({ state: 'idle' }), { timeout: 10_000 }).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 300));
}

it('lets the process exit with a connection open that is not needed', async () => {
  expect(await run('unref')).toEqual({ code: 0, output: '' });
});

it('keeps the process until a connection that is not needed has been closed', async () => {
  expect(await run('close')).toEqual({ code: 0, output: 'closed\n' });
});

it('keeps the process while a connection is needed, until it is lost', async () => {
  const ended = run('ref');
  await untilOpen();
  await postgres.terminateBackends();
  expect(await ended).toEqual({ code: 0, output: 'lost\n' });
});

it('keeps the process while a connection is open that nobody has said a word about', async () => {
  const ended = run('nothing');
  await untilOpen();
  await postgres.terminateBackends();
  expect(await ended).toEqual({ code: 0, output: 'lost\n' });
});

describe.each<[string, Record<string, string>]>([
  ['TCP', {}],
  ['TLS', { CA: ca }],
])('a connection that is being opened over %s', (_, env) => {
  it('does not keep the process', async () => {
    expect(await run('open', env)).toEqual({ code: NOTHING_LEFT_TO_DO, output: 'set up\n' });
  });

  it('keeps it with exitOnIdle off, until it is lost', async () => {
    const ended = run('stay', env);
    await untilOpen();
    expect(await postgres.activity()).toHaveLength(1);
    await postgres.terminateBackends();
    expect(await ended).toMatchObject({ code: NOTHING_LEFT_TO_DO });
  });
});
