import { tracingChannel } from 'node:diagnostics_channel';
import { expect, it, onTestFinished } from 'vitest';
import type { FakeConnection } from '../../support/fakeConnector.js';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const DEPTH = 4;

/** A pool of so many connections, and how many share each. */
async function sharingPool(maxConnections: number) {
  const fake = fakePool({ maxConnections, pipeline: 'reads' });
  await warm(fake, maxConnections);
  const users = new Map<FakeConnection, number>();
  const errors: unknown[] = [];
  const usersOf = (connection: FakeConnection) => users.get(connection) ?? 0;
  const share = () => {
    fake.pool.sharing!.acquire({
      joins: (connection) => usersOf(connection) > 0 && usersOf(connection) < DEPTH,
      lent(connection) {
        const isFirst = usersOf(connection) === 0;
        users.set(connection, usersOf(connection) + 1);
        if (isFirst) fake.pool.sharing!.begin(connection);
      },
      refused: (error) => errors.push(error),
    });
  };
  const leave = (connection: FakeConnection) => {
    users.set(connection, usersOf(connection) - 1);
    if (fake.pool.sharing!.left(connection, 1)) fake.pool.release(connection);
  };
  return { ...fake, fake, share, leave, errors, users, inUse: () => [...users.values()].filter((count) => count > 0) };
}

it('Each sharer gets a connection alone while one is idle; then those with the fewest users take more, up to what they may', async () => {
  const { share, inUse, pool } = await sharingPool(2);
  share();
  expect(inUse()).toEqual([1]);
  share();
  expect(inUse()).toEqual([1, 1]);
  for (let n = 0; n < 3; n++) share();
  expect(inUse().sort()).toEqual([2, 3]);
  for (let n = 0; n < 5; n++) share();
  expect(inUse()).toEqual([4, 4]);
  expect(pool.stats()).toMatchObject({ used: 2, waiting: 2 });
});

it('While the pool may open another connection, no caller shares one', async () => {
  const { fake, share, inUse, pool, runtime } = await sharingPool(3);
  pool.resize({ maxConnections: 4 });
  for (let n = 0; n < 4; n++) share();
  expect(inUse()).toEqual([1, 1, 1]);
  await runtime.settle();
  expect(inUse()).toEqual([1, 1, 1, 1]);
  share();
  expect(inUse()).toHaveLength(4);
  expect(fake.server.connects).toBe(4);
});

it('A caller that needs a connection alone gets one as soon as its users have left, and is not overtaken for ever', async () => {
  const { share, leave, users, inUse, pool, runtime } = await sharingPool(1);
  for (let n = 0; n < 4; n++) share();
  const alone = follow(pool.acquire());
  for (let n = 0; n < 6; n++) share();
  const [connection] = [...users.keys()] as [FakeConnection];
  for (let left = 3; left >= 0; left--) {
    leave(connection);
    expect(inUse()).toEqual(left === 0 ? [] : [left]);
  }
  await runtime.settle();
  expect(alone.value).toBe(connection);
  expect(inUse()).toEqual([]);
  pool.release(connection);
  await runtime.settle();
  expect(inUse()).toEqual([4]);
});

it('For each such caller one connection is reserved, and the others go on', async () => {
  const { share, leave, users, pool } = await sharingPool(2);
  for (let n = 0; n < 8; n++) share();
  follow(pool.acquire());
  for (let n = 0; n < 4; n++) share();
  const [reserved, other] = [...users.keys()] as [FakeConnection, FakeConnection];
  leave(reserved);
  leave(other);
  expect([users.get(reserved), users.get(other)]).toEqual([3, 4]);
});

it('A connection that is to be replaced, or was shared for long, takes no more', async () => {
  const { share, leave, users, inUse, pool, runtime } = await sharingPool(1);
  for (let n = 0; n < 4; n++) share();
  const [connection] = [...users.keys()] as [FakeConnection];
  pool.invalidate();
  share();
  for (let n = 0; n < 4; n++) leave(connection);
  expect(inUse()).toEqual([]);
  await runtime.settle();
  expect(inUse()).toEqual([1]);
  expect(pool.stats().closed.invalidated).toBe(1);
  const [, second] = [...users.keys()] as [FakeConnection, FakeConnection];
  share();
  expect(users.get(second)).toBe(2);
  await runtime.advance(200);
  share();
  expect(users.get(second)).toBe(2);
});

it('Those in line are refused when the pool closes, and those who share a connection may finish', async () => {
  const { share, leave, users, errors, pool, runtime } = await sharingPool(1);
  for (let n = 0; n < 6; n++) share();
  const drained = follow(pool.drain(50));
  share();
  expect(errors).toHaveLength(1);
  await runtime.advance(60);
  expect(errors).toHaveLength(3);
  const [connection] = [...users.keys()] as [FakeConnection];
  for (let n = 0; n < 4; n++) leave(connection);
  await runtime.settle();
  expect(drained.settled).toBe(true);
});

it('Each caller counts and is observed as one checkout; the connection is held from the first to the last', async () => {
  const { share, leave, users, pool, runtime } = await sharingPool(1);
  const waits: number[] = [];
  const holds: number[] = [];
  const acquired = pool.stats().acquired;
  pool.observe({ lent: (ms) => waits.push(ms), returned: (ms) => holds.push(ms) });
  for (let n = 0; n < 5; n++) share();
  await runtime.advance(7);
  const [connection] = [...users.keys()] as [FakeConnection];
  for (let n = 0; n < 5; n++) leave(connection);
  await runtime.settle();
  expect(waits).toEqual([0, 0, 0, 0, 7]);
  expect(holds).toEqual([7]);
  expect(pool.stats()).toMatchObject({ acquired: acquired + 5, used: 0 });
});

it('The acquire of a caller that may share is traced as any other', async () => {
  const { share, leave, users, errors, pool, runtime } = await sharingPool(1);
  const events: string[] = [];
  const channel = tracingChannel('tenure:pool:acquire');
  const subscribers = {
    start: () => void events.push('start'),
    end() {},
    asyncStart: () => void events.push('lent'),
    asyncEnd() {},
    error: () => void events.push('refused'),
  };
  channel.subscribe(subscribers);
  onTestFinished(() => void channel.unsubscribe(subscribers));
  for (let n = 0; n < 5; n++) share();
  await runtime.settle();
  expect(events).toEqual(['start', 'start', 'start', 'start', 'start', 'lent', 'lent', 'lent', 'lent']);
  const drained = follow(pool.drain(10));
  await runtime.advance(20);
  expect(events.slice(9)).toEqual(['refused', 'lent']);
  expect(errors).toHaveLength(1);
  for (let n = 0; n < 4; n++) leave([...users.keys()][0]!);
  await runtime.settle();
  expect(drained.settled).toBe(true);
});

it('Sharing is wanted only by who would have to wait: while a connection is idle, a caller takes that one alone', async () => {
  const { pool } = await sharingPool(2);
  expect(pool.sharing!.isWanted).toBe(false);
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  expect(pool.sharing!.isWanted).toBe(true);
  pool.release(first);
  expect(pool.sharing!.isWanted).toBe(false);
  pool.release(second);
});

it('Without the setting there is nothing to share by', async () => {
  const fake = fakePool();
  await take(fake);
  expect(fake.pool.sharing).toBeUndefined();
});
