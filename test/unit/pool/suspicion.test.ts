import { expect, it } from 'vitest';
import { fakePool, take } from '../../support/fakePool.js';

it('holders that wait for each other are warned of a second after the oldest caller in line began to wait', async () => {
  const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 1_500 });
  // This caller waits too, for the connection to open.
  const held = await take(fake);
  held.status = 'transaction';
  await fake.runtime.advance(100);
  fake.pool.acquire().catch(() => {});
  await fake.runtime.advance(1_000);
  expect(fake.warnings.map(({ code }) => code)).toEqual(['TENURE_IDLE_IN_TRANSACTION']);
});
