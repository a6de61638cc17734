import type { PoolWarning } from '@tenure/core';
import { Pool, type PoolConfig } from '@tenure/core/pg';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { pidOf, settlesWithin, usePools } from '../pgPool/support.js';
import { failure } from '../session/support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

const open = (options?: PoolConfig): Pool => make(Pool, options);
/** Settings that no other test has. */
let tests = 0;
const own = (): PoolConfig => ({ application_name: `test ${++tests}`, max: 3 });
const backends = async ({ application_name: applicationName }: PoolConfig) =>
  (await postgres.activity({ applicationName: applicationName! })).map(({ pid }) => pid);

const warnings: { code: string; message: string }[] = [];
beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(((message: string, { code }: { code: string }) => {
    warnings.push({ code, message });
  }) as never);
});
afterEach(() => void warnings.splice(0));
const told = (code: PoolWarning['code']) => warnings.filter((warning) => warning.code === code);

describe('Pools with the same target and settings', () => {
  it('are one pool', async () => {
    const settings = own();
    const pools = Array.from({ length: 10 }, () => open(settings));
    for (const pool of pools) await pool.query('select 1');
    expect(await backends(settings)).toHaveLength(1);
    for (const pool of pools) expect(pool.stats()).toMatchObject({ owners: 10, opened: 1, idle: 1, max: 3 });
    expect(pools.map(({ totalCount }) => totalCount)).toEqual(Array(10).fill(1));
  });

  it('are one however the target is written', async () => {
    const { application_name, max } = own();
    const { host, port, user, password, database, url } = postgres;
    vi.stubEnv('PGHOST', host);
    vi.stubEnv('PGPORT', String(port));
    vi.stubEnv('PGDATABASE', database);
    onTestFinished(() => void vi.unstubAllEnvs());
    const forms: PoolConfig[] = [
      { connectionString: `${url}?application_name=${application_name}`, max: max! },
      { connectionString: '', host, port, user, password, database, application_name, max: max! },
      { connectionString: '', user, password, application_name, max: String(max) as never },
    ] as PoolConfig[];
    for (const form of forms) await open(form).query('select 1');
    expect(await backends({ application_name } as PoolConfig)).toHaveLength(1);
  });

  it('keep to the maximum together, and never lend a connection twice at once', async () => {
    const settings = own();
    const pools = Array.from({ length: 6 }, () => open(settings));
    const inUse = new Set<number>();
    const callers = pools
      .flatMap((pool) => [pool, pool])
      .map(async (pool, caller) => {
        for (let turn = 0; turn < 15; turn++) {
          const client = await pool.connect();
          const pid = (client as unknown as { processID: number }).processID;
          expect(inUse.has(pid)).toBe(false);
          inUse.add(pid);
          await client.query(`set application.caller = '${caller}'`);
          const { rows } = await client.query(`select current_setting('application.caller') as caller`);
          expect(rows).toEqual([{ caller: String(caller) }]);
          inUse.delete(pid);
          client.release();
        }
      });
    await Promise.all(callers);
    expect(pools[0]!.stats()).toMatchObject({ used: 0, waiting: 0 });
    expect((await backends(settings)).length).toBeLessThanOrEqual(3);
    expect(pools[0]!.stats().opened).toBeLessThanOrEqual(3);
  });

  it.for<[string, PoolConfig, PoolConfig]>([
    ['a maximum', { max: 1 }, { max: 2 }],
    ['a policy', { policy: { reset: 'session' } }, { policy: { reset: 'rollback' } }],
    ['a startup option', { statement_timeout: 1_000 }, { statement_timeout: 2_000 }],
    [
      'type parsers',
      { types: { getTypeParser: () => String } as never },
      { types: { getTypeParser: () => String } as never },
    ],
    ['a hook', { onConnect: async () => {} }, { onConnect: async () => {} }],
    ['a name', { policy: { name: 'one' } }, { policy: { name: 'two' } }],
    [
      'a class of clients',
      { Client: class extends pg.Client {} } as never,
      { Client: class extends pg.Client {} } as never,
    ],
  ])('but not when they differ in %s', async ([, one, other]) => {
    const settings = own();
    await open({ ...settings, ...one }).query('select 1');
    await open({ ...settings, ...other }).query('select 1');
    expect(await backends(settings)).toHaveLength(2);
  });

  it('nor when CONN_SHARE is false', async () => {
    vi.stubEnv('CONN_SHARE', 'false');
    onTestFinished(() => void vi.unstubAllEnvs());
    const settings = own();
    for (let n = 0; n < 2; n++) await open(settings).query('select 1');
    expect(await backends(settings)).toHaveLength(2);
    expect(warnings).toEqual([]);
  });

  it('are decided on at the first acquire, not when they are made or looked at', async () => {
    const settings = own();
    const [first, second] = [open(settings), open(settings)];
    expect([first.totalCount, second.stats().owners]).toEqual([0, 1]);
    second.on('connect', () => {});
    await first.query('select 1');
    await second.query('select 1');
    expect(first.stats().owners).toBe(1);
    expect(await backends(settings)).toHaveLength(2);
  });

  it('are one when they are kept warm', async () => {
    const settings = { ...own(), min: 2 };
    for (let n = 0; n < 5; n++) open(settings);
    await expect.poll(() => backends(settings)).toHaveLength(2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await backends(settings)).toHaveLength(2);
  });

  it('are replaced together by invalidate', async () => {
    const settings = own();
    const [first, second] = [open(settings), open(settings)];
    const pid = await pidOf(first);
    expect(await pidOf(second)).toBe(pid);
    second.invalidate();
    expect(await pidOf(first)).not.toBe(pid);
  });
});

describe('A connection that goes to another owner', () => {
  it('brings nothing along', async () => {
    await postgres.admin('create role other; grant other to app');
    const settings = { ...own(), max: 1, onConnect: (client: pg.ClientBase) => client.query(`set work_mem = '7MB'`) };
    const [first, second] = [open(settings as never), open(settings as never)];
    const client = await first.connect();
    const pid = await pidOf(client);
    const heard = vi.fn();
    client.on('notification', heard);
    client.on('notice', heard);
    client.setTypeParser(23, () => 'parsed');
    await client.query(`set statement_timeout = '1h'; set search_path = nowhere; set work_mem = '9MB'; set role other`);
    await client.query('create temporary table leftovers ()').catch(() => {});
    await client.query('listen news; select pg_advisory_lock(42); prepare written as select 1');
    await client.query({ name: 'query', text: 'select 1 as first' });
    client.release();

    const next = await second.connect();
    expect(await pidOf(next)).toBe(pid);
    const { rows } =
      await next.query(`select current_setting('statement_timeout') as timeout, current_setting('search_path') as path,
      current_setting('work_mem') as mem, current_user as role, to_regclass('pg_temp.leftovers') as temporary, 5 as number`);
    expect(rows).toEqual([
      { timeout: '0', path: '"$user", public', mem: '7MB', role: 'app', temporary: null, number: 5 },
    ]);
    expect((await next.query('select name from pg_prepared_statements')).rows).toEqual([]);
    expect(await postgres.admin(`select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
    // The same name for another statement.
    expect((await next.query({ name: 'query', text: 'select 2 as second' })).rows).toEqual([{ second: 2 }]);
    await postgres.admin(`notify news, 'late'`);
    await next.query(`do $$ begin raise notice 'a notice'; end $$`);
    expect(heard).not.toHaveBeenCalled();
    expect(next.listenerCount('notification') + next.listenerCount('notice')).toBe(0);
    next.release();
  });

  it('keeps what its own pool relies on: the end of the session is noticed', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    for (let turn = 0; turn < 3; turn++) for (const pool of [first, second]) await pool.query('select 1');
    const errors = [vi.fn(), vi.fn()];
    first.on('error', errors[0]!);
    second.on('error', errors[1]!);
    await postgres.terminateBackends({ applicationName: settings.application_name! });
    await expect.poll(() => errors[1]!.mock.calls.length).toBe(1);
    // It had been the second's.
    expect(errors[0]).not.toHaveBeenCalled();
    expect(await pidOf(first)).toBeGreaterThan(0);
  });

  it('is left alone while it stays with one of them', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    await first.query(`set work_mem = '9MB'`);
    await second.query('select 1');
    await second.query(`set work_mem = '5MB'`);
    expect((await second.query('show work_mem')).rows).toEqual([{ work_mem: '5MB' }]);
    expect((await first.query('show work_mem')).rows).toEqual([{ work_mem: '4MB' }]);
  });

  it('is replaced when it cannot be made like new', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    const client = await first.connect();
    await client.query('select 1');
    client.release();
    await postgres.terminateBackends({ applicationName: settings.application_name! });
    expect(await pidOf(second)).toBeGreaterThan(0);
  });

  it('is replaced when its session answers no more, after the time of a check', async () => {
    const settings = { ...own(), max: 1, policy: { healthTimeoutMs: 300 } };
    const [first, second] = [open(settings), open(settings)];
    const pid = await pidOf(first);
    process.kill(pid, 'SIGSTOP');
    onTestFinished(() => void process.kill(pid, 'SIGCONT'));
    const start = performance.now();
    expect(await pidOf(second)).not.toBe(pid);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(second.stats()).toMatchObject({ used: 0, opened: 2 });
  });

  it('is refused at once when the set-up objects', async () => {
    let objects = false;
    const onConnect = async () => {
      if (objects) throw new Error('not this one');
    };
    const settings = { ...own(), max: 1, onConnect };
    const [first, second] = [open(settings), open(settings)];
    await first.query('select 1');
    objects = true;
    expect((await failure(second.query('select 1'))).message).toBe('not this one');
    objects = false;
    await expect
      .poll(() =>
        second.query('select 1').then(
          () => 'served',
          () => 'failed',
        ),
      )
      .toBe('served');
  });
});

describe('Whoever was in line when a second pool joined', () => {
  it('is served first, with connections of its own', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    const held = await first.connect();
    const early = first.connect();
    const late = second.connect();
    await held.query(`set work_mem = '9MB'`);
    held.release();
    const client = await early;
    expect((await client.query('show work_mem')).rows).toEqual([{ work_mem: '9MB' }]);
    client.release();
    const other = await late;
    expect((await other.query('show work_mem')).rows).toEqual([{ work_mem: '4MB' }]);
    other.release();
    expect(first.stats()).toMatchObject({ used: 0, opened: 1 });
  });
});

describe('A pool with listeners', () => {
  it.for(['connect', 'acquire', 'release'] as const)('for %s is never shared', async (event) => {
    const settings = own();
    const [plain, watched, later] = [open(settings), open(settings), open(settings)];
    const heard = vi.fn();
    watched.on(event as 'connect', heard);
    for (const pool of [plain, watched, later]) await pool.query('select 1');
    expect(await backends(settings)).toHaveLength(2);
    expect(watched.stats().owners).toBe(1);
    expect(later.stats().owners).toBe(2);
    expect(heard).toHaveBeenCalledTimes(1);
  });

  it('that come later goes on alone; what it holds goes back to the others', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    await second.query('select 1');
    const client = await first.connect();
    const pid = await pidOf(client);
    const acquired = vi.fn();
    first.on('acquire', acquired);
    expect(await pidOf(first)).not.toBe(pid);
    expect(acquired).toHaveBeenCalledTimes(1);
    expect(second.stats()).toMatchObject({ owners: 1, used: 1 });
    client.release();
    expect(second.stats()).toMatchObject({ used: 0, idle: 1 });
    expect(await pidOf(second)).toBe(pid);
  });

  it('that come later, when it is the only one, keeps its connections and is joined by nobody', async () => {
    const settings = own();
    const [first, second] = [open(settings), open(settings)];
    const pid = await pidOf(first);
    first.on('connect', () => {});
    expect(await pidOf(second)).not.toBe(pid);
    expect(await pidOf(first)).toBe(pid);
  });

  it('for error and remove is: they are told to the pool that had the client last', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    const removed = [vi.fn(), vi.fn()];
    first.on('remove', removed[0]!).on('error', () => {});
    second.on('remove', removed[1]!).on('error', () => {});
    await second.query('select 1');
    await first.query('select 1');
    expect(first.stats().owners).toBe(2);
    first.invalidate();
    await expect.poll(() => removed[0]!.mock.calls.length).toBe(1);
    expect(removed[1]).not.toHaveBeenCalled();
  });
});

describe('A pool whose password is changed in its options', () => {
  it('goes on alone, and the others keep theirs', async () => {
    const { host, port, user, password, database } = postgres;
    const settings = { ...own(), max: 2, connectionString: '', host, port, user, database };
    // Not by spreading: the option is read at each connect.
    const [first, second] = [open({ ...settings, password }), open({ ...settings, password })];
    await first.query('select 1');
    await second.query('select 1');
    first.options.password = 'wrong';
    expect(await failure(first.query('select 1'))).toMatchObject({ code: '28P01' });
    await Promise.all([second.query('select pg_sleep(0.1)'), second.query('select pg_sleep(0.1)')]);
    expect(second.stats()).toMatchObject({ owners: 1, opened: 2 });
  });
});

describe('To close', () => {
  it('one pool leaves the others theirs, and the last one closes it', async () => {
    const settings = own();
    const [first, second, third] = [open(settings), open(settings), open(settings)];
    for (const pool of [first, second, third]) await pool.query('select 1');
    await first.end();
    expect(first).toMatchObject({ ending: true, ended: true, totalCount: 0, idleCount: 0 });
    expect(await failure(first.query('select 1'))).toMatchObject({ code: 'TENURE_CLOSED' });
    expect((await failure(first.end())).message).toBe('Called end on pool more than once');
    expect(await backends(settings)).toHaveLength(1);
    await second.drain();
    await second.drain();
    expect(third.stats()).toMatchObject({ owners: 1 });
    expect(await pidOf(third)).toBeGreaterThan(0);
    const removed = vi.fn();
    third.on('remove', removed);
    await third.end();
    await expect.poll(() => removed.mock.calls.length).toBe(1);
    await expect.poll(() => backends(settings)).toEqual([]);
    await open(settings).query('select 1');
  });

  it('waits for its own work and line, not for the others’', async () => {
    const settings = { ...own(), max: 1 };
    const [first, second] = [open(settings), open(settings)];
    await second.query('select 1');
    const client = await first.connect();
    const inLine = [first.query(`select 'first' as who`), second.query(`select 'second' as who`)];
    const ended = first.end();
    expect(await settlesWithin(100, ended)).toBe(false);
    client.release();
    await ended;
    expect((await inLine[0]!).rows).toEqual([{ who: 'first' }]);
    expect((await inLine[1]!).rows).toEqual([{ who: 'second' }]);
    const busy = await second.connect();
    expect(first.stats()).toMatchObject({ owners: 0, used: 0 });
    busy.release();
  });

  it('with a time limit takes its own connections away, and refuses its own line', async () => {
    const settings = { ...own(), max: 2 };
    const [first, second] = [open(settings), open(settings)];
    const theirs = await second.connect();
    const ours = await first.connect();
    const slow = failure(ours.query('select pg_sleep(20)'));
    const waiting = failure(first.query('select 1'));
    const patient = second.query('select 1 as served');
    await first.drain(100);
    expect(await waiting).toMatchObject({ code: 'TENURE_CLOSED' });
    expect((await slow).message).toContain('terminated');
    ours.release();
    expect((await patient).rows).toEqual([{ served: 1 }]);
    expect((await theirs.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    theirs.release();
  });
});

describe('What is told', () => {
  it('is the first join, once', async () => {
    const settings = own();
    for (let n = 0; n < 5; n++) await open(settings).query('select 1');
    expect(told('TENURE_SHARED')).toHaveLength(1);
    expect(told('TENURE_SHARED')[0]!.message).toContain(`${postgres.user}@127.0.0.1:${postgres.port}/`);
  });

  it('names both places when stacks are captured, and nothing when it is one place', async () => {
    const settings: PoolConfig = { ...own(), connectionString: postgres.url, policy: { leakAfterMs: 60_000 } };
    const here = () => new Pool(settings);
    const pools = [here(), here(), here()];
    for (const pool of pools) await pool.query('select 1');
    expect(told('TENURE_SHARED')).toEqual([]);
    const elsewhere = new Pool(settings);
    await elsewhere.query('select 1');
    expect(told('TENURE_SHARED')).toHaveLength(1);
    expect(told('TENURE_SHARED')[0]!.message.match(/sharing\.test\.ts:\d+/g)).toHaveLength(2);
    for (const pool of [...pools, elsewhere]) await pool.end();
  });

  it('is the setting in which two pools differ, without its value', async () => {
    const settings = own();
    const secret = `-c search_path=hunter2`;
    for (let n = 0; n < 3; n++) await open(settings).query('select 1');
    for (let n = 0; n < 3; n++) await open({ ...settings, options: secret }).query('select 1');
    const messages = told('TENURE_NOT_SHARED').map(({ message }) => message);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toContain('differ in options');
    expect(messages.join()).not.toContain('hunter2');
    await open({ ...settings, policy: { name: 'meant' } }).query('select 1');
    expect(told('TENURE_NOT_SHARED')).toHaveLength(1);
  });

  it('is that a listener keeps a pool apart', async () => {
    const settings = { ...own(), connectionString: postgres.url.replace('127.0.0.1', 'localhost') };
    await open(settings).query('select 1');
    const watched = open(settings);
    watched.on('connect', () => {});
    await watched.query('select 1');
    expect(told('TENURE_NOT_SHARED')[0]!.message).toContain('differ in listeners');
  });
});
