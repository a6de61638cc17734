import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';

const postgres = await usePostgres();

const SCRIPT = `
  import knex from 'knex';
  import { tenure } from '@tenure/knex';
  const db = knex(tenure({ client: 'pg', connection: process.env.URL }));
  await db.raw('select 1');
`;
const DONE = `console.log('done');`;

/** Far below every time limit of the pool. */
const AT_ONCE_MS = 500;

/** Runs a script in a process of its own; tells how long it lived on after its last line. */
async function run(script: string, env: Record<string, string> = {}, patienceMs = 3_000) {
  const child = spawn(
    process.execPath,
    ['--conditions=@tenure/source', '--import=tsx', '--input-type=module', '--eval', script],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, ...env, URL: postgres.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const doneAt = performance.now();
  const impatience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const [code, signal] = await exited;
  clearTimeout(impatience);
  return { code, signal, livedOnMs: performance.now() - doneAt };
}

// The projects for older versions of Knex leave this file out: the scripts run in processes of their own, which have the workspace's Knex.
describe('a script that runs one query', () => {
  it('and calls destroy() exits at once', async () => {
    const { code, livedOnMs } = await run(`${SCRIPT} await db.destroy(); ${DONE}`);
    expect(code).toBe(0);
    expect(livedOnMs).toBeLessThan(AT_ONCE_MS);
  });

  it('and does not wait for destroy() still says goodbye to the server', async () => {
    expect(await run(`${SCRIPT} db.destroy(); db.destroy(); ${DONE}`)).toMatchObject({ code: 0 });
    expect(postgres.log()).not.toContain('unexpected EOF');
  });

  it('and calls nothing exits at once too', async () => {
    const { code, livedOnMs } = await run(`${SCRIPT} ${DONE}`);
    expect(code).toBe(0);
    expect(livedOnMs).toBeLessThan(AT_ONCE_MS);
  });

  it('with MIN_CONNS set exits at once too', async () => {
    expect(await run(`${SCRIPT} ${DONE}`, { MIN_CONNS: '3' })).toMatchObject({ code: 0 });
  });

  it('stays with CONN_EXIT_ON_IDLE=false', async () => {
    expect(await run(`${SCRIPT} ${DONE}`, { CONN_EXIT_ON_IDLE: 'false' }, 1_500)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('stays while a query runs or someone waits', async () => {
    const script = `${SCRIPT} ${DONE} Promise.all([1, 2].map(() => db.raw('select pg_sleep(0.5)'))).then(() => process.exit(7));`;
    expect(await run(script, { MAX_CONNS: '1' })).toMatchObject({ code: 7 });
  });
});
