import { Pool } from '@tenure/core/pg';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { clearedAfter, grantRole, LEFTOVERS, leftovers } from '../session/leftovers.js';
import { usePools } from './support.js';

const postgres = await usePostgres();
await grantRole(postgres);
const make = usePools(postgres);

it('with CONN_RESET=session the next borrower sees nothing of what one left, but its prepared statements', async () => {
  const pool = make(Pool, { max: 1, policy: { reset: 'session' } });
  const client = await pool.connect();
  await client.query(LEFTOVERS);
  await client.query({ name: 'kept', text: 'select 1' });
  const query = async (sql: string) => (await pool.query(sql)).rows;
  client.release();
  expect(await leftovers(query)).toEqual(clearedAfter(postgres));
  expect(await query('select name from pg_prepared_statements')).toEqual([{ name: 'kept' }]);
  expect(pool.stats()).toMatchObject({ opened: 1 });
});
