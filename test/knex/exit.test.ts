import { describe, expect, it } from 'vitest';
import { runScript } from '../support/runScript.js';
import { type Fate, serverWithFates } from '../support/slowServer.js';
import { usePostgres } from '../support/usePostgres.js';

const postgres = await usePostgres();

const SCRIPT = `
  import knex from 'knex';
  import { tenure } from '@tenure/knex';
  const db = knex(tenure({ client: 'pg', connection: process.env.URL }));
  await db.raw('select 1');
`;
const DONE = `console.log('done');`;

/** Far below every time limit of the pool that could hold it. */
const AT_ONCE_MS = 500;

const run = (script: string, env: Record<string, string> = {}, patienceMs?: number) =>
  runScript(script, { URL: postgres.url, ...env }, patienceMs);

/** A server whose first connections are as they should be, or slow, and whose others never answer. */
async function urlWith(...fates: Fate[]): Promise<string> {
  const { port } = await serverWithFates(postgres, fates);
  return postgres.url.replace(`:${postgres.port}`, `:${port}`);
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

  const WITH_TWO = { MIN_CONNS: '2', MAX_CONNS: '2' };
  const MEANWHILE = `await new Promise((resolve) => setTimeout(resolve, 300));`;

  it('exits at once although another connection is being opened for nobody', async () => {
    const env = { ...WITH_TWO, URL: await urlWith('passed on', 'silence') };
    const { code, livedOnMs } = await run(`${SCRIPT} ${MEANWHILE} ${DONE}`, env);
    expect(code).toBe(0);
    expect(livedOnMs).toBeLessThan(AT_ONCE_MS);
  });

  it('stays while one is being opened for nobody, with CONN_EXIT_ON_IDLE=false', async () => {
    const env = { ...WITH_TWO, URL: await urlWith('passed on', 'silence'), CONN_EXIT_ON_IDLE: 'false' };
    expect(await run(`${SCRIPT} ${MEANWHILE} ${DONE}`, env, 1_500)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('waits for a connect that is slow', async () => {
    const { code } = await run(`${SCRIPT} ${DONE}`, { URL: await urlWith('delayed', 'silence') });
    expect(code).toBe(0);
  });

  it('stays for a connection that the app has opened for itself', async () => {
    const script = `${SCRIPT} ${DONE} const own = await db.client.acquireRawConnection();
      own.query('listen news'); own.on('notification', () => process.exit(7));`;
    const ended = run(script);
    await expect.poll(() => postgres.activity(), { timeout: 10_000 }).toMatchObject([{}, { query: 'listen news' }]);
    await postgres.admin('notify news');
    expect(await ended).toMatchObject({ code: 7 });
  });
});
