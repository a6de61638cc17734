import { existsSync } from 'node:fs';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { startPostgres } from '../support/postgres.js';
import { usePostgres } from '../support/usePostgres.js';

describe('a PostgreSQL server for tests', async () => {
  const postgres = await usePostgres({ maxConnections: 20, settings: { work_mem: '5MB' } });

  it('has a role that is no superuser and owns its database', async () => {
    await using client = await connect(postgres);
    await client.query('create table things (id int primary key)');
    const { rows } = await client.query(
      `select current_user as role, rolsuper as superuser, current_setting('max_connections') as max,
         current_setting('work_mem') as memory from pg_roles where rolname = current_user`,
    );
    expect(rows).toEqual([{ role: 'app', superuser: false, max: '20', memory: '5MB' }]);
  });

  it('lists the sessions of the application', async () => {
    await using client = await connect(postgres, 'listed');
    await client.query('begin');
    const backends = await postgres.activity({ applicationName: 'listed' });
    expect(backends).toMatchObject([{ pid: client.pid, user: 'app', database: 'app', state: 'idle in transaction' }]);
  });

  it('ends the sessions that match, and no other', async () => {
    await using kept = await connect(postgres, 'kept');
    await using ended = await connect(postgres, 'ended');
    expect(await postgres.terminateBackends({ applicationName: 'ended' })).toEqual([ended.pid]);
    await expect(ended.query('select 1')).rejects.toThrow();
    await expect(kept.query('select 1')).resolves.toBeDefined();
  });

  it.for(['fast', 'immediate', 'kill'] as const)(
    'stops (%s) and comes back with its data, on the same port',
    async (mode) => {
      await postgres.admin(`create table ${mode}_survivor (id int)`);
      await using client = await connect(postgres);
      await postgres.stopServer(mode);
      // A session whose postmaster was killed may answer once more before it notices.
      const answer = () =>
        client.query('select 1').then(
          () => 'answered',
          () => 'failed',
        );
      await expect.poll(answer).toBe('failed');
      await expect(connect(postgres)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await postgres.startServer();
      expect(await postgres.admin(`select count(*)::int as rows from ${mode}_survivor`)).toEqual([{ rows: 0 }]);
    },
  );
});

it('becomes read-only for the sessions that are open, and takes writes again', async () => {
  await using postgres = await startPostgres();
  await using client = await connect(postgres);
  await client.query('create table written (id int)');
  const write = () => client.query('insert into written values (1)');
  await postgres.setReadOnly(true);
  await expect(write()).rejects.toMatchObject({ code: '25006' });
  await postgres.setReadOnly(false);
  await expect(write()).resolves.toBeDefined();
});

describe.skipIf(!hasPgBouncer())('PgBouncer before it', () => {
  it('passes sessions on, in the pool mode that was asked for', async () => {
    await using postgres = await startPostgres();
    await using bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'transaction' });
    await using client = await connect({ url: bouncer.url }, 'through');
    expect(await postgres.activity()).toMatchObject([{ pid: client.pid, user: 'app' }]);
    expect(await bouncer.admin('show pools')).toContainEqual(
      expect.objectContaining({ database: 'app', user: 'app', pool_mode: 'transaction' }),
    );
  });
});

it('leaves nothing behind, and may be stopped twice', async () => {
  const server = await startPostgres();
  const [data] = await server.admin<{ folder: string }>(`select current_setting('data_directory') as folder`);
  await server.stop();
  await server.stop();
  expect(existsSync(data!.folder)).toBe(false);
  await expect(connect(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

interface TestClient extends pg.Client, AsyncDisposable {
  pid: number;
}

async function connect({ url }: { url: string }, applicationName = 'test'): Promise<TestClient> {
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  client.on('error', () => {});
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return Object.assign(client, { pid: rows[0]!.pid, [Symbol.asyncDispose]: () => client.end() });
}
