import { expect, it } from 'vitest';
import { fakePool, follow, take } from '../../support/fakePool.js';

it('does not serve a caller with a connection whose goodbye is read in the same turn as the answer that freed it', async () => {
  const fake = fakePool({ maxConnections: 1 });
  const { pool, runtime, server } = fake;
  const connection = await take(fake);
  const waiter = follow(pool.acquire());
  // One chunk of the socket may hold ReadyForQuery and the server's goodbye: the borrower of the first hears nothing of the second.
  pool.release(connection);
  connection.lose(new Error('terminating connection due to administrator command'));
  await runtime.advance(1_000);
  expect(waiter.value).toMatchObject({ id: 2, isOpen: true });
  expect(server.opened).toHaveLength(2);
});
