import type { Knex } from 'knex';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();
const { open, stock } = useKnex(postgres);

/** The first frame of an error's stack. */
const topOf = (error: Error) => error.stack?.split('\n').find((line) => line.startsWith('    at '));

describe.each([
  ['raw', (db: Knex) => db.raw('select nothing')],
  ['a query', (db: Knex) => db('nothing').select('*')],
  ['a schema change', (db: Knex) => db.schema.dropTable('nothing')],
  ['a query of a transaction', (db: Knex) => db.transaction((trx) => trx('nothing').select('*'))],
])('with asyncStackTraces, the error of %s', (_, fail) => {
  it.each([
    ['', {}],
    [' and CONN_LEAK_THRESHOLD', { leakAfterMs: 60_000 }],
  ])('begins where it does with Knex%s', async (_, policy) => {
    const tops = [stock({ asyncStackTraces: true }), open({ asyncStackTraces: true }, policy)].map(async (db) => {
      const error = await fail(db).then(
        () => new Error('It did not fail'),
        (error: Error) => error,
      );
      return topOf(error);
    });
    const [expected, ours] = await Promise.all(tops);
    expect(ours).toBe(expected);
  });
});
