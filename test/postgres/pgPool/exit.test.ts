import { describe, expect, it } from 'vitest';
import { runScript } from '../../support/runScript.js';
import { type Fate, serverWithFates } from '../../support/slowServer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

const SCRIPT = `
  import { Pool } from '@tenure/core/pg';
  const pool = new Pool({ connectionString: process.env.URL });
  await pool.query('select 1');
`;
const MEANWHILE = `await new Promise((resolve) => setTimeout(resolve, 300));`;
const DONE = `console.log('done');`;
const WITH_TWO = { MIN_CONNS: '2', MAX_CONNS: '2' };

/** Far below every time limit of the pool that could hold it. */
const AT_ONCE_MS = 500;

/** The pool's server: its first connections are as they should be, or slow, and the others never answer. */
async function run(script: string, fates: Fate[], env: Record<string, string> = {}, patienceMs?: number) {
  const { port } = await serverWithFates(postgres, fates);
  const URL = postgres.url.replace(`:${postgres.port}`, `:${port}`);
  return runScript(script, { URL, ...env }, patienceMs);
}

describe('a script that runs one query', () => {
  it.each<[string, Fate[], Record<string, string>]>([
    ['and leaves a connection', ['passed on'], {}],
    ['with MIN_CONNS set', ['passed on'], { MIN_CONNS: '3' }],
    ['while another connection is being opened for nobody', ['passed on', 'silence'], WITH_TWO],
  ])('%s exits at once', async (_, fates, env) => {
    const { code, livedOnMs } = await run(`${SCRIPT} ${MEANWHILE} ${DONE}`, fates, env);
    expect(code).toBe(0);
    expect(livedOnMs).toBeLessThan(AT_ONCE_MS);
  });

  it('on a connection that is slow to come waits for it', async () => {
    expect(await run(`${SCRIPT} ${DONE}`, ['delayed', 'silence'])).toMatchObject({ code: 0 });
  });

  it('stays with CONN_EXIT_ON_IDLE=false', async () => {
    const env = { CONN_EXIT_ON_IDLE: 'false' };
    const sayIfItExits = `process.on('exit', () => console.log('exits with', pool.totalCount, 'open, after', process.uptime(), 's'));`;
    const ended = await run(`${SCRIPT} ${sayIfItExits} ${DONE}`, ['passed on'], env, 1_500);
    expect(ended).toMatchObject({ output: 'done\n', signal: 'SIGKILL' });
  });

  it('waits for what it sends on a client that it has released, and then exits at once', async () => {
    const late = `
      const client = await pool.connect();
      client.release();
      await Promise.all([client.query('select pg_sleep(0.2)'), client.query('select 1')]);
      await client.query('select pg_sleep(0.2)');
    `;
    const { code, livedOnMs } = await run(`${SCRIPT} ${late} ${DONE}`, ['passed on']);
    expect(code).toBe(0);
    expect(livedOnMs).toBeLessThan(AT_ONCE_MS);
  });

  it('stays until the query is cancelled that it gave up on', async () => {
    const giveUp = `await pool.query({ text: 'select pg_sleep(30)', query_timeout: 20 }).catch(() => {});`;
    expect(await run(`${SCRIPT} ${giveUp} ${DONE}`, ['passed on'])).toMatchObject({ code: 0 });
    expect(await postgres.activity({ state: 'active' })).toEqual([]);
  });
});
