import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { dialectClass, useKnex } from './support.js';

const postgres = await usePostgres();
const { open, stock } = useKnex(postgres);

const EVENTS = [
  ...['acquireRequest', 'acquireSuccess', 'acquireFail', 'release'],
  ...['createRequest', 'createSuccess', 'createFail'],
  ...['destroyRequest', 'destroySuccess', 'destroyFail'],
  ...['startReaping', 'stopReaping', 'poolDestroyRequest', 'poolDestroySuccess'],
];

type Connection = { processID: number };

/** The members of a Knex instance's pool that tools use. */
interface TarnLike {
  acquire(): { promise: Promise<Connection>; abort(): void };
  release(connection: object): boolean;
  destroy(): Promise<unknown>;
  check(): void;
  isEmpty(): boolean;
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
  numPendingValidations(): number;
  numPendingCreates(): number;
  on(event: string, listener: (...args: unknown[]) => void): void;
  removeListener(event: string, listener: (...args: unknown[]) => void): void;
  removeAllListeners(event?: string): void;
  min: number;
  max: number;
}

const poolBehind = (db: Knex): TarnLike => db.client.pool;

/** Records every event with its arguments; connections and errors by their kind. */
function record(pool: TarnLike): unknown[][] {
  const heard: unknown[][] = [];
  const named = (value: unknown) => {
    if (value instanceof Error) return 'an error';
    return typeof value === 'object' ? 'a connection' : value;
  };
  for (const event of EVENTS) pool.on(event, (...args) => heard.push([event, ...args.map(named)]));
  return heard;
}

const figures = (pool: TarnLike) => ({
  used: pool.numUsed(),
  free: pool.numFree(),
  acquires: pool.numPendingAcquires(),
  validations: pool.numPendingValidations(),
  creates: pool.numPendingCreates(),
  isEmpty: pool.isEmpty(),
});

const NOTHING = { used: 0, free: 0, acquires: 0, validations: 0, creates: 0, isEmpty: true };

class CannotClose extends dialectClass('pg') {
  override async destroyRawConnection(connection: { end(): Promise<void> }): Promise<void> {
    await connection.end();
    throw new Error('the tunnel is stuck');
  }
}

// The same, line by line, of Knex's own pool and of ours.
describe.each([
  ['Knex', stock],
  ['Tenure', (config: Knex.Config) => open(config)],
] as [string, (config: Knex.Config) => Knex][])("tarn's face on the pool of %s", (_, openKnex) => {
  const one = { min: 0, max: 1 };

  it('tells of a connection from its beginning to its end', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    const heard = record(pool);
    const first = await pool.acquire().promise;
    expect(pool.release(first)).toBe(true);
    const second = await pool.acquire().promise;
    expect(second).toBe(first);
    pool.release(second);
    await pool.destroy();
    expect(heard).toEqual([
      ['acquireRequest', 1],
      ['createRequest', 2],
      ['createSuccess', 2, 'a connection'],
      ['startReaping'],
      ['acquireSuccess', 1, 'a connection'],
      ['release', 'a connection'],
      ['acquireRequest', 3],
      ['acquireSuccess', 3, 'a connection'],
      ['release', 'a connection'],
      ['poolDestroyRequest', 4],
      ['stopReaping'],
      ['destroyRequest', 5, 'a connection'],
      ['destroySuccess', 5, 'a connection'],
      ['poolDestroySuccess', 4],
    ]);
  });

  it('tells of a connect that failed', async () => {
    const { host, port, user, database } = postgres;
    const pool = poolBehind(openKnex({ pool: one, connection: { host, port, user, database, password: 'wrong' } }));
    const heard = record(pool);
    await expect(pool.acquire().promise).rejects.toThrow('password authentication failed');
    expect(heard).toEqual([
      ['acquireRequest', 1],
      ['createRequest', 2],
      ['createFail', 2, 'an error'],
      ['acquireFail', 1, 'an error'],
    ]);
  });

  it('tells of a connection that could not be closed', async () => {
    const pool = poolBehind(openKnex({ client: CannotClose, pool: one }));
    pool.release(await pool.acquire().promise);
    const heard = record(pool);
    await pool.destroy();
    expect(heard).toContainEqual(['destroyFail', 4, 'a connection', 'an error']);
    expect(heard.map(([event]) => event)).not.toContain('destroySuccess');
  });

  it('counts', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    expect({ min: pool.min, max: pool.max }).toEqual(one);
    expect(figures(pool)).toEqual(NOTHING);
    const opening = pool.acquire();
    expect(figures(pool)).toEqual({ ...NOTHING, acquires: 1, creates: 1, isEmpty: false });
    const connection = await opening.promise;
    const waiting = pool.acquire();
    expect(figures(pool)).toEqual({ ...NOTHING, used: 1, acquires: 1, isEmpty: false });
    pool.release(connection);
    pool.release(await waiting.promise);
    pool.check();
    expect(figures(pool)).toEqual({ ...NOTHING, free: 1, isEmpty: false });
    await pool.destroy();
    expect(figures(pool)).toEqual(NOTHING);
  });

  it('takes back only what it gave, and once', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    const connection = await pool.acquire().promise;
    expect(pool.release({})).toBe(false);
    expect(pool.release(connection)).toBe(true);
    expect(pool.release(connection)).toBe(false);
  });

  it('lets a caller in line give up', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    const connection = await pool.acquire().promise;
    const [aborted, patient] = [pool.acquire(), pool.acquire()];
    aborted.abort();
    await expect(aborted.promise).rejects.toThrow('aborted');
    pool.release(connection);
    expect(await patient.promise).toBe(connection);
    pool.release(connection);
    expect(figures(pool)).toMatchObject({ used: 0, free: 1, acquires: 0 });
  });

  it('survives a listener that throws, and logs it', async () => {
    const logged: string[] = [];
    const db = openKnex({ pool: { ...one, log: (message, level) => logged.push(`${level}: ${message}`) } });
    const pool = poolBehind(db);
    let heard = 0;
    pool.on('acquireSuccess', () => {
      throw new Error('a mistake');
    });
    pool.on('acquireSuccess', () => heard++);
    await db.raw('select 1');
    expect(heard).toBe(1);
    expect(logged).toEqual([expect.stringMatching(/^warn: Tarn: event handler "acquireSuccess" threw .*a mistake/s)]);
  });

  it('forgets listeners', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    const heard: string[] = [];
    const listener = () => heard.push('removed');
    pool.on('acquireSuccess', listener);
    pool.on('acquireSuccess', () => heard.push('kept'));
    pool.removeListener('acquireSuccess', listener);
    pool.release(await pool.acquire().promise);
    pool.removeAllListeners('acquireSuccess');
    pool.release(await pool.acquire().promise);
    pool.removeAllListeners();
    expect(heard).toEqual(['kept']);
  });

  it('may be destroyed twice, and waits for what is out', async () => {
    const pool = poolBehind(openKnex({ pool: one }));
    const connection = await pool.acquire().promise;
    let destroyed = 0;
    const both = [pool.destroy(), pool.destroy()].map((promise) => promise.then(() => destroyed++));
    await sleep(50);
    expect(destroyed).toBe(0);
    pool.release(connection);
    await Promise.all(both);
    expect(await postgres.activity({ pid: connection.processID })).toEqual([]);
  });
});
