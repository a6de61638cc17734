import { expect, it } from 'vitest';
import { Pool as PgPool } from '../../../packages/core/src/pg.js';
import { processPools } from '../../../packages/core/src/pool/processPools.js';
import { fakePool, take } from '../../support/fakePool.js';

it('lists a pool from when it is made until its last connection is gone', async () => {
  const fake = fakePool();
  expect(processPools().list()).toContain(fake.pool);
  const connection = await take(fake);
  const drained = fake.pool.drain();
  expect(processPools().list()).toContain(fake.pool);
  fake.pool.release(connection);
  await drained;
  expect(processPools().list()).not.toContain(fake.pool);
});

it('finds the engine by the pool that an app has', async () => {
  const fake = fakePool();
  const front = new PgPool({ max: 7 });
  expect(processPools().find(fake.pool)).toBe(fake.pool);
  expect(processPools().find(front)!.policy.maxConnections).toBe(7);
  expect(processPools().find({})).toBeUndefined();
  await Promise.all([fake.pool.drain(), front.end()]);
});
