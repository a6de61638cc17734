import { Pool } from '@tenure/core/pg';
import { expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { pidOf, usePools } from './support.js';

const postgres = await usePostgres();
const { host, port, user, database } = postgres;
const make = usePools(postgres);

it('credentials that rotate are asked for at every connect, and live sessions are left alone', async () => {
  let current = postgres.password;
  const rotate = async (next: string) => {
    await postgres.admin(`alter role app password '${next}'`);
    current = next;
  };
  const password = vi.fn(async () => current);
  const pool = make(Pool, { connectionString: '', host, port, user, database, password, max: 2 });
  const client = await pool.connect();
  await rotate('the second');
  const other = await pool.connect();
  expect(password).toHaveBeenCalledTimes(2);
  expect(await pidOf(client)).not.toBe(await pidOf(other));
  const pids = [await pidOf(client), await pidOf(other)];
  client.release();
  other.release();
  await rotate('the third');
  expect(pids).toContain(await pidOf(pool));
  expect(password).toHaveBeenCalledTimes(2);
  pool.invalidate();
  expect(pids).not.toContain(await pidOf(pool));
  expect(password).toHaveBeenCalledTimes(3);
  await rotate(postgres.password);
});
