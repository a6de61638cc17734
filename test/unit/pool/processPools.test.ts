import { expect, it } from 'vitest';
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
