import { Pool } from '@tenure/core/pg';
import type pg from 'pg';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

/** Ends a client's connection in the middle of what was read with the next answer, as when one chunk holds ReadyForQuery and a goodbye. */
function endsWithItsAnswer(client: pg.PoolClient): void {
  const { connection } = client as unknown as { connection: pg.Connection & { stream: { destroy(): void } } };
  // Runs after the listener of `pg`, which calls the borrower back.
  connection.once('readyForQuery', () => connection.stream.destroy());
}

it('whoever waits does not get a connection whose goodbye was read together with the answer that freed it', async () => {
  const pool = make(Pool, { max: 1 });
  const client = await pool.connect();
  endsWithItsAnswer(client);
  const answered = new Promise<void>((resolve) => {
    void client.query('select 1', () => {
      client.release();
      resolve();
    });
  });
  await expect(pool.query('select 2 as two')).resolves.toMatchObject({ rows: [{ two: 2 }] });
  await answered;
  expect(pool.stats()).toMatchObject({ opened: 2, closed: { broken: 1 } });
});
