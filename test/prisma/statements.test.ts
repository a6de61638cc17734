import { beforeAll, describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { clientOf, createTables } from './support.js';

const postgres = await usePostgres();
const config = { connectionString: postgres.url };
/** One connection, which prepares at the second use. */
const policy = { maxConnections: 1, prepareThreshold: 2 };

type Client = ReturnType<typeof clientOf>;

async function prepared(prisma: Client): Promise<{ name: string; statement: string }[]> {
  return prisma.$queryRawUnsafe('select name, statement from pg_prepared_statements order by prepare_time');
}

beforeAll(async () => {
  await createTables(postgres);
  await postgres.admin(`insert into "User" (email, name) values ('ada@example.org', 'Ada');
    insert into "Post" (title, "authorId") values ('Notes', 1)`);
});

describe('The queries of Prisma', () => {
  it('are prepared when they are repeated, relations too, and answer as before', async () => {
    const prisma = clientOf(config, policy);
    const ada = { id: 1, email: 'ada@example.org', name: 'Ada', posts: [{ id: 1, title: 'Notes', authorId: 1 }] };
    for (let n = 0; n < 4; n++) {
      expect(await prisma.user.findMany({ where: { id: 1 }, include: { posts: true } })).toEqual([ada]);
    }
    const names = (await prepared(prisma)).map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(2);
    for (const name of names) expect(name).toMatch(/^tenure_/);
    expect(prisma.$pool.stats().statements!.hits).toBeGreaterThanOrEqual(4);
  });

  it('are prepared in interactive transactions and in batches, and writes where they are asked for', async () => {
    const prisma = clientOf(config, { ...policy, statementsForWrites: true });
    for (let n = 0; n < 3; n++) {
      await prisma.$transaction(async (tx) => {
        const { id } = await tx.user.create({ data: { email: `${n}@example.org` } });
        expect(await tx.user.update({ where: { id }, data: { name: 'x' } })).toMatchObject({ name: 'x' });
        await tx.user.delete({ where: { id } });
      });
      const [count, users] = await prisma.$transaction([
        prisma.user.count({ where: { name: 'Ada' } }),
        prisma.user.findMany({ where: { name: 'Ada' } }),
      ]);
      expect([count, users.length]).toEqual([1, 1]);
    }
    expect((await prepared(prisma)).some(({ statement }) => statement.startsWith('INSERT'))).toBe(true);
    expect(prisma.$pool.stats().statements).toMatchObject({ state: 'on', invalidated: 0 });
  });

  it('have the names that the app gives them, if it does', async () => {
    const prisma = clientOf(config, policy, { statementNameGenerator: () => 'the_name_of_the_app' });
    for (let n = 0; n < 3; n++) await prisma.user.findMany({ where: { id: n } });
    const names = await prisma.$pool.stats();
    expect(names.statements).toMatchObject({ prepared: 0, hits: 0 });
  });

  it('are right when a column was added, without one failure outside transactions', async () => {
    const prisma = clientOf(config, policy);
    const read = () => prisma.$queryRawUnsafe<object[]>('select * from "Post" where id = $1', 1);
    for (let n = 0; n < 3; n++) await read();
    await postgres.admin('alter table "Post" add column "addedAt" timestamptz');
    expect(Object.keys((await read())[0]!)).toContain('addedAt');
  });

  it('are not prepared with pgbouncer=true in the URL', async () => {
    const prisma = clientOf({ connectionString: `${postgres.url}?pgbouncer=true` }, { maxConnections: 1 });
    for (let n = 0; n < 8; n++) await prisma.user.findMany({ where: { id: 1 } });
    expect(prisma.$pool.stats().statements).toMatchObject({ state: 'off', prepared: 0 });
  });
});
