import { createPool, type PolicyOverrides, type PoolWarning, type SlotLocks, TenureTimeoutError } from '@tenure/core';
import { Pool, pgConnector } from '@tenure/core/pg';
import pg from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../support/pgbouncer.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres({ maxConnections: 150 });
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Pools with a budget of their own for each test. */
let tests = 0;
function usePools(shared: PolicyOverrides) {
  const policy = { budgetName: `test ${++tests}`, ...shared };
  return (own: PolicyOverrides = {}, url = postgres.url) => {
    const pool = createPool(pgConnector(url), { ...policy, ...own });
    const warnings: PoolWarning[] = [];
    const closed: string[] = [];
    pool.on('warning', (warning) => warnings.push(warning));
    pool.on('closing', (_, reason) => closed.push(reason));
    onTestFinished(() => pool.drain(0));
    return Object.assign(pool, { warnings, closings: closed });
  };
}
type TestPool = ReturnType<ReturnType<typeof usePools>>;

const run = (pool: TestPool, text: string) => pool.use((client) => client.query(text));
/** Holds this many connections until it is called. */
async function hold(pool: TestPool, count: number): Promise<() => void> {
  const held = await Promise.all(Array.from({ length: count }, () => pool.acquire({ timeoutMs: 5_000 })));
  return () => {
    for (const client of held) pool.release(client);
  };
}
/** Callers that use connections one after the other, until it is called. */
function busy(pool: TestPool, callers: number): () => Promise<unknown[]> {
  const failures: unknown[] = [];
  let isOver = false;
  onTestFinished(() => {
    isOver = true;
  });
  const call = async () => {
    while (!isOver) await run(pool, 'select pg_sleep(0.002)').catch((error) => failures.push(error));
  };
  const calls = Promise.all(Array.from({ length: callers }, call));
  return async () => {
    isOver = true;
    await calls;
    return failures;
  };
}

async function sample(watch: () => void | Promise<void>, forMs: number, everyMs = 20): Promise<void> {
  for (const until = performance.now() + forMs; performance.now() < until; await sleep(everyMs)) await watch();
}

/** A session that is in the fleet has a slot, and a lock of its member, whose key is the next one. */
const holdersOfSlots = `select count(distinct slot.pid)::int as sessions from pg_locks slot join pg_locks member
  on member.pid = slot.pid and member.classid::bigint = slot.classid::bigint + 1
  where slot.locktype = 'advisory' and slot.objsubid = 2 and slot.objid < 1000`;

describe('a budget', () => {
  it('bounds all pools together', async () => {
    const open = usePools({ budget: 6, maxConnections: 20 });
    const pools = [open(), open(), open()];
    const admin = new pg.Client(postgres.superuserUrl);
    await admin.connect();
    onTestFinished(() => admin.end());
    const stops = pools.map((pool) => busy(pool, 8));
    let [peak, samples] = [0, 0];
    await sample(async () => {
      const [{ sessions }] = (await admin.query(holdersOfSlots)).rows;
      samples++;
      peak = Math.max(peak, sessions);
    }, 3_000);
    for (const stop of stops) expect(await stop()).toEqual([]);
    expect(samples).toBeGreaterThan(20);
    expect(peak).toBe(6);
  });

  it('shows in stats(), and its grant in the limit that holds', async () => {
    const open = usePools({ budget: 3, maxConnections: 20 });
    const [one, other] = [open(), open()];
    expect(one.stats().budget).toEqual({ limit: 3, slots: 0, guests: 0, hungry: false, members: null });
    expect(one.stats().max).toBe(3);
    const granted: unknown[] = [];
    other.on('budget', (budget) => granted.push(budget));
    const release = await hold(one, 2);
    const stop = busy(other, 4);
    await expect.poll(() => other.stats().budget).toMatchObject({ limit: 3, slots: 1, hungry: true, members: 2 });
    await expect.poll(() => other.stats().max, { interval: 5 }).toBe(1);
    expect(granted.length).toBeGreaterThan(0);
    release();
    await stop();
    await expect.poll(() => other.stats().budget!.hungry).toBe(false);
  });

  it('lends what lies idle to a pool whose callers wait, and that connection goes with the reason budget', async () => {
    const open = usePools({ budget: 6, maxConnections: 20 });
    const [idle, hungry] = [open(), open()];
    (await hold(idle, 5))();
    const stop = busy(hungry, 8);
    await expect.poll(() => hungry.stats().budget!.slots, { timeout: 5_000 }).toBe(5);
    expect(idle.stats().budget!.slots).toBe(1);
    expect(new Set(idle.closings)).toEqual(new Set(['budget']));
    expect(idle.stats().closed.budget).toBe(4);
    expect(await stop()).toEqual([]);
  });

  it('cuts nothing that is in use, and takes a connection when it comes back', async () => {
    const open = usePools({ budget: 4, maxConnections: 20 });
    const [rich, poor] = [open(), open()];
    const clients = await Promise.all([1, 2, 3, 4].map(() => rich.acquire()));
    const stop = busy(poor, 4);
    await expect.poll(() => poor.stats().budget!.guests).toBe(1);
    await sleep(3_000);
    for (const client of clients) expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(rich.stats().closed.budget).toBe(0);
    for (const client of clients) rich.release(client);
    await expect.poll(() => poor.stats().budget!.slots, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(await stop()).toEqual([]);
  });

  it('is not there without CONN_BUDGET: no lock, and no setting', async () => {
    const pool = usePools({})();
    expect(pool.stats().budget).toBeNull();
    const { rows } = await run(
      pool,
      "select current_setting('idle_session_timeout') as idle, (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks",
    );
    expect(rows).toEqual([{ idle: '0', locks: 0 }]);
  });

  it.each(['0', 'none'])('is off with CONN_BUDGET=%s', async (budget) => {
    vi.stubEnv('CONN_BUDGET', budget);
    onTestFinished(() => void vi.unstubAllEnvs());
    const pool = createPool(pgConnector(postgres.url));
    onTestFinished(() => pool.drain(0));
    await pool.use((client) => client.query('select 1'));
    expect(pool.stats().budget).toBeNull();
  });

  it('auto comes from the server: 80 % of what it leaves to the role', async () => {
    const pool = usePools({ budget: 'auto' })();
    expect(pool.stats().budget!.limit).toBeNull();
    await run(pool, 'select 1');
    expect(pool.stats().budget!.limit).toBe(Math.floor(0.8 * 147));
  });
});

describe('a pool for which there is no slot', () => {
  it('has one guest connection, warns once, and gives the guest a slot as soon as one is free', async () => {
    const open = usePools({ budget: 1, maxConnections: 5 });
    const [one, guest] = [open(), open()];
    await run(one, 'select 1');
    const results = await Promise.all([1, 2, 3].map(() => run(guest, 'select 1 as one')));
    expect(results.map(({ rows }) => rows[0].one)).toEqual([1, 1, 1]);
    expect(guest.stats()).toMatchObject({ opened: 1, budget: { slots: 0, guests: 1, hungry: true } });
    expect(guest.warnings).toMatchObject([{ code: 'TENURE_BUDGET_GUEST', message: expect.stringContaining('(1)') }]);
    await one.drain();
    await expect.poll(() => guest.stats().budget).toMatchObject({ slots: 1, guests: 0 });
  });

  it('waits with budgetStrict, and the error of its callers says whose limit it is', async () => {
    const open = usePools({ budget: 1, maxConnections: 5, budgetStrict: true });
    const [one, strict] = [open(), open()];
    await run(one, 'select 1');
    const error = await strict.acquire({ timeoutMs: 2_500 }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(TenureTimeoutError);
    expect(error.message).toContain('CONN_BUDGET allows 1 connections');
    expect(error.message).toContain('CONN_BUDGET_STRICT');
    expect(strict.stats()).toMatchObject({ openFailures: 0, budget: { slots: 0, guests: 0 } });
    await one.drain();
    await expect(
      strict.acquire({ timeoutMs: 10_000 }).then((client) => strict.release(client)),
    ).resolves.toBeUndefined();
    expect(strict.stats().budget).toMatchObject({ slots: 1 });
  });

  it('gets a slot with budgetStrict when others only keep connections idle', async () => {
    const open = usePools({ budget: 3, maxConnections: 5, budgetStrict: true });
    const [one, strict] = [open(), open()];
    (await hold(one, 3))();
    await run(strict, 'select 1');
    expect(strict.stats().budget).toMatchObject({ slots: 1, guests: 0 });
  });
});

describe('a session whose locks were released', () => {
  const TEXTS = ['select pg_advisory_unlock_all()', 'DISCARD ALL'];

  it.each(TEXTS)('by %s takes its slot again when it comes back', async (text) => {
    const open = usePools({ budget: 2, maxConnections: 5 });
    const pool = open();
    await run(pool, text);
    await expect.poll(() => pool.stats().idle).toBe(1);
    const other = open();
    await hold(other, 1);
    expect(await Promise.race([other.acquire().then(() => 'a slot'), sleep(700).then(() => 'none')])).toBe('none');
    expect(pool.closings).toEqual([]);
  });

  it.each(TEXTS)('by %s is closed when another has its slot by then', async (text) => {
    const open = usePools({ budget: 1, maxConnections: 5, budgetStrict: true });
    const [pool, other] = [open(), open()];
    const client = await pool.acquire();
    await client.query(text);
    await run(other, 'select 1');
    pool.release(client);
    await expect.poll(() => pool.closings).toEqual(['budget']);
    expect(other.stats().budget).toMatchObject({ slots: 1 });
  });

  it('by CONN_RESET=session keeps its slot, without a moment in which another could take it', async () => {
    const open = usePools({ budget: 1, maxConnections: 1, reset: 'session' });
    const pool = open();
    await run(pool, 'select 1');
    const thief = new pg.Client(postgres.url);
    await thief.connect();
    onTestFinished(() => thief.end());
    const [lock] = await postgres.admin<{ key: number }>(
      "select classid::bigint::int as key from pg_locks where locktype = 'advisory' and objid = 0",
    );
    let isOver = false;
    const thefts = (async () => {
      let stolen = 0;
      while (!isOver) {
        const { rows } = await thief.query('select pg_try_advisory_lock($1::int, 0) as got', [lock!.key]);
        if (rows[0].got) stolen++;
      }
      return stolen;
    })();
    for (let use = 0; use < 200; use++) await run(pool, "set application_name = 'mine'");
    isOver = true;
    expect(await thefts).toBe(0);
    expect(pool.stats()).toMatchObject({ opened: 1, budget: { slots: 1 } });
    expect((await run(pool, 'show idle_session_timeout')).rows).toEqual([{ idle_session_timeout: '6min' }]);
  });

  it('keeps locks of the app itself', async () => {
    const pool = usePools({ budget: 5, maxConnections: 1 })();
    await pool.use(async (client) => {
      await client.query('select pg_advisory_lock(7)');
      const { rows } = await client.query(
        "select count(*)::int as n from pg_locks where pid = pg_backend_pid() and locktype = 'advisory' and objsubid = 1",
      );
      expect(rows[0].n).toBe(1);
    });
    expect((await run(pool, 'select pg_advisory_unlock(7) as had')).rows).toEqual([{ had: true }]);
  });
});

describe('where it cannot hold', () => {
  const OFF = { code: 'TENURE_BUDGET_OFF' };

  it('is off on a server that denies the locks, and says so once', async () => {
    await postgres.admin('revoke execute on function pg_advisory_lock_shared(int, int) from public');
    onTestFinished(() =>
      postgres.admin('grant execute on function pg_advisory_lock_shared(int, int) to public').then(() => {}),
    );
    const pool = usePools({ budget: 1, maxConnections: 3 })();
    const release = await hold(pool, 3);
    expect(pool.warnings).toMatchObject([{ ...OFF, message: expect.stringContaining('42501') }]);
    expect(pool.stats()).toMatchObject({ used: 3, max: 3, budget: null });
    release();
  });

  it('is off when the server begins to deny them, and costs no connection', async () => {
    const pool = usePools({ budget: 5, maxConnections: 3 })();
    (await hold(pool, 2))();
    await postgres.admin('revoke execute on function pg_try_advisory_lock(int, int) from public');
    onTestFinished(() =>
      postgres.admin('grant execute on function pg_try_advisory_lock(int, int) to public').then(() => {}),
    );
    await expect.poll(() => pool.warnings, { timeout: 5_000 }).toMatchObject([OFF]);
    expect(pool.stats().budget).toBeNull();
    expect(pool.closings).toEqual([]);
  });

  it.skipIf(!hasPgBouncer())('is off behind a pooler, also when statements were asked for', async () => {
    const bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'session' });
    onTestFinished(() => bouncer.stop());
    const pool = usePools({ budget: 1, maxConnections: 3, statements: 10 })({}, bouncer.url);
    const release = await hold(pool, 2);
    expect(pool.warnings).toMatchObject([{ ...OFF, message: expect.stringContaining('pooler') }]);
    expect(await postgres.admin("select 1 from pg_locks where locktype = 'advisory'")).toEqual([]);
    release();
  });

  it('is off with a driver that has no such locks', async () => {
    const { slotLocks: _, ...connector } = pgConnector(postgres.url);
    const pool = createPool(connector, { budget: 1, maxConnections: 3 });
    onTestFinished(() => pool.drain(0));
    const warnings: PoolWarning[] = [];
    pool.on('warning', (warning) => warnings.push(warning));
    await Promise.all([pool.acquire(), pool.acquire()]);
    expect(warnings).toMatchObject([OFF]);
  });
});

it('sessions that are lost between the steps of the hand-over never make the fleet larger than its budget', async () => {
  const LIMIT = 20;
  const admin = new pg.Client(postgres.superuserUrl);
  await admin.connect();
  onTestFinished(() => admin.end());
  let crashes = 0;
  const policy: PolicyOverrides = {
    budget: LIMIT,
    budgetName: 'crashing',
    maxConnections: 8,
    idleTimeoutMs: 100,
    minConnections: 0,
  };
  const pools = Array.from({ length: 12 }, () => {
    const connector = pgConnector(postgres.url);
    const withCrashes = {
      ...connector,
      slotLocks: (member: number) => {
        const locks: SlotLocks<pg.Client> = connector.slotLocks!(member);
        const inherit = locks.inherit.bind(locks);
        // The session that reserved the slot ends after the new one was opened, and before that one has the slot.
        locks.inherit = (connection, slot, from, signal) => {
          if (Math.random() < 0.3) {
            crashes++;
            (from as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
          }
          return inherit(connection, slot, from, signal);
        };
        return locks;
      },
    };
    const pool = createPool(withCrashes, policy);
    onTestFinished(() => pool.drain(0));
    return pool;
  });
  let isOver = false;
  const users = pools.map(async (pool, index) => {
    while (!isOver) {
      const calls = Array.from({ length: 1 + (index % 6) }, () =>
        pool.use((client) => client.query('select pg_sleep(0.005)')).catch(() => {}),
      );
      await Promise.all(calls);
      await sleep(100 * Math.random());
    }
  });
  const seen = new Map<number, number>();
  await sample(
    async () => {
      const { rows } = await admin.query(holdersOfSlots);
      seen.set(rows[0].sessions, (seen.get(rows[0].sessions) ?? 0) + 1);
    },
    10_000,
    5,
  );
  isOver = true;
  await Promise.all(users);
  expect(crashes).toBeGreaterThan(5);
  expect(Math.max(...seen.keys())).toBeLessThanOrEqual(LIMIT);
  expect(Math.max(...seen.keys())).toBeGreaterThan(LIMIT / 2);
}, 60_000);

it('the Pool of @tenure/core/pg has it as well', async () => {
  const pool = new Pool({ connectionString: postgres.url, max: 5, policy: { budget: 4, budgetName: 'pg' } });
  onTestFinished(() => pool.drain(0));
  await Promise.all([1, 2, 3, 4, 5, 6].map(() => pool.query('select pg_sleep(0.1)')));
  expect(pool.stats()).toMatchObject({ budget: { limit: 4, slots: 4 } });
});
