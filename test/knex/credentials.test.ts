import { poolOf } from '@tenure/knex';
import type { Knex } from 'knex';
import { describe, expect, it, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
const { open } = useKnex(postgres);
const { host, port, user, database } = postgres;

const pid = async (db: Knex) => (await db.raw('select pg_backend_pid() as pid')).rows[0].pid;

/** A role whose password changes. */
function rotating() {
  const secret = { current: postgres.password };
  const rotate = async (next: string) => {
    await postgres.admin(`alter role app password '${next}'`);
    secret.current = next;
  };
  return { secret, rotate };
}

describe('credentials that rotate', () => {
  it('come from a password function at every connect, and live sessions are left alone', async () => {
    const { secret, rotate } = rotating();
    const password = vi.fn(async () => secret.current);
    const db = open({ connection: { host, port, user, database, password } }, { maxConnections: 2 });
    const first = await pid(db);
    await rotate('the second');
    expect(await pid(db)).toBe(first);
    expect(password).toHaveBeenCalledTimes(1);
    const trx = await db.transaction();
    expect(await pid(db)).not.toBe(first);
    expect(password).toHaveBeenCalledTimes(2);
    await trx.rollback();
    await rotate(postgres.password);
  });

  it("come from Knex's expiring settings, asked again at a connect once they have expired", async () => {
    const { secret, rotate } = rotating();
    let expired = false;
    const connection = vi.fn(async () => {
      const password = secret.current;
      return { host, port, user, database, password, expirationChecker: () => expired };
    });
    const db = open({ connection }, { maxConnections: 1 });
    const first = await pid(db);
    expect(connection).toHaveBeenCalledTimes(1);
    await rotate('the second');
    expired = true;
    expect(await pid(db)).toBe(first);
    expect(connection).toHaveBeenCalledTimes(1);
    poolOf(db).invalidate();
    expect(await pid(db)).not.toBe(first);
    expect(connection).toHaveBeenCalledTimes(2);
    expired = false;
    poolOf(db).invalidate();
    expect(await pid(db)).toBeGreaterThan(0);
    expect(connection).toHaveBeenCalledTimes(2);
    await rotate(postgres.password);
  });
});
