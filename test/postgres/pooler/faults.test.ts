import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyOverrides } from '@tenure/core';
import pg from 'pg';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { openKnex } from '../../contract/openKnex.js';
import { openPool } from '../../contract/openPool.js';
import { openPrisma } from '../../contract/openPrisma.js';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

/** The default is 15 s after a server has refused it, or was killed. */
const IMPATIENT = { server_login_retry: 0.2 };

async function bouncerWith(settings: Record<string, number>): Promise<PgBouncer> {
  const patience = { ...IMPATIENT, ...settings };
  const bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'transaction', settings: patience });
  onTestFinished(() => bouncer.stop());
  return bouncer;
}

/** A client of PgBouncer's own, beside the adapter. */
async function otherClient({ url }: PgBouncer): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end().catch(() => {}));
  return client;
}

/** The messages of an error and all its causes: Knex and Prisma wrap it in errors of their own. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { meta } = error as { meta?: unknown };
  return `${error.message} ${JSON.stringify(meta ?? '')} ${error.cause === undefined ? '' : wordsOf(error.cause)}`;
}

describe.skipIf(!hasPgBouncer()).each([
  ['Pool', openPool],
  ['Knex', openKnex],
  ['Prisma', openPrisma],
])('PgBouncer in front of %s', async (_, open) => {
  const bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'transaction', settings: IMPATIENT });
  afterAll(() => bouncer.stop());
  const connect = ({ host, port }: PgBouncer, policy: PolicyOverrides = {}) => {
    const { user, password, database } = postgres;
    const adapter = open({ host, port, user, password, database }, { maxConnections: 3, ...policy });
    onTestFinished(() => Promise.race([adapter.destroy().then(() => {}), sleep(3_000)]));
    return adapter;
  };
  const failed = (work: Promise<unknown>) => work.then(() => 'nothing failed', wordsOf);

  it('that pauses: queries wait, and none fails', async () => {
    const app = connect(bouncer);
    await app.query('select 1');
    await bouncer.admin('pause');
    let answered = 0;
    const queries = [1, 2, 3, 4, 5].map(() => app.query('select 1').then(() => answered++));
    await sleep(300);
    expect(answered).toBe(0);
    await bouncer.admin('resume');
    await Promise.all(queries);
    expect(app.stats().closed).toMatchObject({ broken: 0, 'failed-check': 0 });
  });

  it('that reconnects to its server: nobody sees it', async () => {
    const app = connect(bouncer);
    await app.query('select 1');
    const backends = await postgres.activity();
    await bouncer.admin('reconnect');
    await app.query('select 1');
    await expect
      .poll(async () =>
        (await postgres.activity()).some(({ pid }) => backends.map(({ pid: old }) => old).includes(pid)),
      )
      .toBe(false);
    expect(app.stats()).toMatchObject({ opened: 1 });
  });

  it('that kills the database: the query in flight fails, and the next ones wait until it resumes', async () => {
    const app = connect(bouncer);
    await app.query('select 1');
    const inFlight = failed(app.query('select pg_sleep(5)'));
    await sleep(200);
    await bouncer.admin('kill app');
    expect(await inFlight).toMatch(/database removed|terminated|closed/i);
    let answered = 0;
    const queries = [1, 2, 3].map(() => app.query('select 1').then(() => answered++));
    await sleep(200);
    expect(answered).toBe(0);
    await bouncer.admin('resume app');
    await Promise.all(queries);
  });

  it('without room for another client: those who have a connection share it, and those who have none are told so', async () => {
    const full = await bouncerWith({ max_client_conn: 2 });
    const [other] = [await otherClient(full), await otherClient(full)];
    const app = connect(full, { acquireTimeoutMs: 1_000 });
    expect(await failed(app.query('select 1'))).toMatch(/no free slot.*no more connections allowed/s);
    await other.end();
    await expect.poll(() => failed(app.query('select 1'))).toBe('nothing failed');
    const { timeouts } = app.stats();
    await Promise.all([1, 2, 3, 4].map(() => app.query('select pg_sleep(0.02)')));
    expect(app.stats()).toMatchObject({ opened: 1, timeouts });
  });

  it('with all its sessions in use for too long: the query that waited for one fails with what to do, and no other connection is in question', async () => {
    const small = await bouncerWith({ default_pool_size: 1, query_wait_timeout: 1 });
    const app = connect(small);
    await app.query('select 1');
    const busy = await otherClient(small);
    const slow = busy.query('select pg_sleep(2.5)');
    expect(await failed(app.query('select 1'))).toContain('query_wait_timeout');
    await slow;
    await app.query('select 1');
    expect(app.stats()).toMatchObject({ epochs: 0, closed: { broken: 1 } });
  });

  it('whose server is gone: a few queries fail, then callers wait while it is tried a few times a second, and are served when the server is back', async () => {
    const app = connect(bouncer, { acquireTimeoutMs: 10_000 });
    await Promise.all([1, 2, 3].map(() => app.query('select pg_sleep(0.05)')));
    const before = app.stats();
    await postgres.stopServer('immediate');
    const callers = Promise.all(Array.from({ length: 20 }, () => failed(app.query('select 1'))));
    await sleep(1_500);
    const { opened, openFailures } = app.stats();
    await postgres.startServer();
    const failures = (await callers).filter((words) => words !== 'nothing failed');
    // Three connections find it out, and so may those that replace them.
    expect(failures.length).toBeLessThanOrEqual(6);
    for (const words of failures) expect(words).toMatch(/server login has been failing|terminated|closed/i);
    expect(opened + openFailures - before.opened - before.openFailures).toBeLessThanOrEqual(10);
    await app.query('select 1');
  });
});
