import { Pool } from '@tenure/core/pg';
import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { beforeAll, describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { failure } from '../session/support.js';
import { usePools } from './support.js';

const postgres = await usePostgres();
const make = usePools(postgres);

beforeAll(async () => {
  await postgres.admin(
    'create table books (id serial primary key, title text unique not null); grant all on books, books_id_seq to app',
  );
});

/** Whatever the library does, one connection serves it, and comes back each time. */
function expectOneConnection(pool: Pool): void {
  expect(pool.stats()).toMatchObject({ opened: 1, used: 0, waiting: 0 });
}

const twenty = Array.from({ length: 20 });

it('Drizzle', async () => {
  const books = pgTable('books', {
    id: integer().primaryKey().generatedByDefaultAsIdentity(),
    title: text().notNull(),
  });
  const pool = make(Pool, { max: 1 });
  const db = drizzle({ client: pool });
  await db.execute('select 1');
  await db.transaction(async (tx) => {
    await tx.execute(`insert into books (title) values ('Emma')`);
  });
  expect(await db.select({ title: books.title }).from(books).where(eq(books.title, 'Emma'))).toEqual([
    { title: 'Emma' },
  ]);
  const abandoned = db.transaction(async (tx) => {
    await tx.execute(`insert into books (title) values ('Never')`);
    throw new Error('changed my mind');
  });
  expect(await failure(abandoned)).toMatchObject({ message: 'changed my mind' });
  expect(await db.$count(books, eq(books.title, 'Never'))).toBe(0);
  for (const _ of twenty) {
    const error = await failure(Promise.resolve(db.execute(`insert into books (title) values ('Emma')`)));
    expect(error).toMatchObject({ cause: { code: '23505' } });
  }
  expectOneConnection(pool);
  await pool.end();
});

it('Kysely', async () => {
  interface Database {
    books: { id: Generated<number>; title: string };
  }
  const pool = make(Pool, { max: 1 });
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  await db.transaction().execute((trx) => trx.insertInto('books').values({ title: 'Persuasion' }).execute());
  const found = await db.selectFrom('books').select('title').where('title', '=', 'Persuasion').execute();
  expect(found).toEqual([{ title: 'Persuasion' }]);
  for (const _ of twenty) {
    const error = await failure(db.insertInto('books').values({ title: 'Persuasion' }).execute());
    expect(error).toMatchObject({ code: '23505' });
  }
  expectOneConnection(pool);
  await db.destroy();
  expect(pool.ended).toBe(true);
});

describe('TypeORM', () => {
  it('given a driver whose Pool is ours', async () => {
    const pools: Pool[] = [];
    class Kept extends Pool {
      constructor(config?: pg.PoolConfig) {
        super(config);
        pools.push(this);
      }
    }
    const Book = new EntitySchema<{ id: number; title: string }>({
      name: 'books',
      columns: { id: { type: Number, primary: true, generated: true }, title: { type: String } },
    });
    const source = new DataSource({
      type: 'postgres',
      driver: { ...pg, Pool: Kept },
      url: postgres.url,
      entities: [Book],
      poolSize: 1,
    });
    await source.initialize();
    const books = source.getRepository(Book);
    await source.transaction((manager) => manager.insert(Book, { title: 'Sanditon' }));
    expect(await books.findBy({ title: 'Sanditon' })).toMatchObject([{ title: 'Sanditon' }]);
    for (const _ of twenty) expect(await failure(books.insert({ title: 'Sanditon' }))).toMatchObject({ code: '23505' });
    expect(pools).toHaveLength(1);
    expectOneConnection(pools[0]!);
    await source.destroy();
    expect(pools[0]!.ended).toBe(true);
  });
});
