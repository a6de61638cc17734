import { expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

/** A pool, and what an observer of its uses is called with. */
function observed(...given: Parameters<typeof fakePool>) {
  const fake = fakePool(...given);
  const lent: number[] = [];
  const returned: number[] = [];
  const stop = fake.pool.observe({
    lent: (waitedMs) => lent.push(waitedMs),
    returned: (heldMs) => returned.push(heldMs),
  });
  return { fake, lent, returned, stop };
}

it('an observer is called at each checkout with the wait, and at each return with how long the connection was held', async () => {
  const { fake, lent, returned } = observed({ maxConnections: 1 });
  const [connection] = await warm(fake, 1);
  await take(fake);
  const waiting = follow(fake.pool.acquire());
  await fake.runtime.advance(70);
  fake.pool.release(connection!);
  await fake.runtime.advance(30);
  fake.pool.release(connection!);
  expect(waiting.value).toBe(connection);
  expect(lent).toEqual([0, 0, 70]);
  expect(returned).toEqual([0, 70, 30]);
});

it('a connection that is discarded, lost or taken by a drain is returned once', async () => {
  const { fake, lent, returned } = observed();
  fake.pool.discard(await take(fake));
  const lost = await take(fake);
  lost.lose();
  fake.pool.release(lost);
  const kept = await take(fake);
  void fake.pool.drain(50);
  await fake.runtime.advance(100);
  fake.pool.release(kept);
  expect(lent).toHaveLength(3);
  expect(returned).toEqual([0, 0, 50]);
});

it('observers do not see each other, what was lent before them, or what comes after they have stopped', async () => {
  const fake = fakePool({ maxConnections: 2 });
  const early = await take(fake);
  const calls: string[] = [];
  const observerOf = (name: string) => ({
    lent: () => calls.push(`${name} lent`),
    returned: () => calls.push(`${name} returned`),
  });
  const stops = ['one', 'two'].map((name) => fake.pool.observe(observerOf(name)));
  fake.pool.release(early);
  expect(calls).toEqual([]);
  const connection = await take(fake);
  stops[0]!();
  fake.pool.release(connection);
  stops[1]!();
  fake.pool.release(await take(fake));
  expect(calls).toEqual(['one lent', 'two lent', 'two returned']);
});
