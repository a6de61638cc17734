import { beforeAll, describe, expect, it } from 'vitest';
import { useSlowMachine } from '../postgres/pipeline/support.js';
import { usePostgres } from '../support/usePostgres.js';
import { clientOf, createTables } from './support.js';

const postgres = await usePostgres();
useSlowMachine();

const USERS = 40;

beforeAll(async () => {
  await createTables(postgres);
  await postgres.admin(
    `insert into "User" (email, name) select n || '@example.org', 'name ' || n from generate_series(1, ${USERS}) n;
     insert into "Post" (title, "authorId") select 'title ' || n, n from generate_series(1, ${USERS}) n`,
  );
});

type Client = ReturnType<typeof clientOf>;

// Prisma joins several `findUnique` of one tick into one query, and runs a read with relations in a transaction.
const read = (prisma: Client, id: number) => prisma.user.findFirst({ where: { id } });
const userOf = (id: number) => ({ id, email: `${id}@example.org`, name: `name ${id}` });
const ids = Array.from({ length: USERS }, (_, n) => n + 1);

/** A client of three connections, whose reads are short on each. */
async function openShort(): Promise<Client> {
  const policy = { maxConnections: 3, prepareThreshold: 2, pipeline: 'reads' as const };
  const prisma = clientOf({ connectionString: postgres.url }, policy);
  for (let n = 0; n < 40; n++) await Promise.all([1, 2, 3].map((id) => read(prisma, id)));
  return prisma;
}

describe('Reads of Prisma', () => {
  it('share connections, and each gets its row', async () => {
    const prisma = await openShort();
    for (let n = 0; n < 10; n++) {
      expect(await Promise.all(ids.map((id) => read(prisma, id)))).toEqual(ids.map(userOf));
    }
    expect(prisma.$pool.stats().pipelined).toMatchObject({ state: 'on' });
    expect(prisma.$pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('see what was written before, beside transactions that commit and that fail', async () => {
    const prisma = await openShort();
    for (const id of ids.slice(0, 10)) {
      const beside = Promise.all(ids.map((other) => read(prisma, other)));
      const { id: post } = await prisma.post.create({ data: { title: 'new', authorId: id } });
      const found = () => prisma.post.findFirst({ where: { id: post } });
      expect(await found()).toEqual({ id: post, title: 'new', authorId: id });
      const failed = prisma.$transaction(async (tx) => {
        await tx.post.update({ where: { id: post }, data: { title: 'never' } });
        expect(await tx.post.findFirst({ where: { id: post } })).toMatchObject({ title: 'never' });
        expect(await found()).toMatchObject({ title: 'new' });
        throw new Error('rolled back');
      });
      await expect(failed).rejects.toThrow('rolled back');
      await prisma.post.delete({ where: { id: post } });
      expect(await found()).toBeNull();
      expect(await beside).toEqual(ids.map(userOf));
    }
    expect(prisma.$pool.stats()).toMatchObject({ rolledBack: 0, pipelined: { state: 'on' } });
    expect(prisma.$pool.stats().pipelined!.queries).toBeGreaterThan(0);
  });

  it('answer a transaction that awaits one of them, though another waits for its lock', async () => {
    const prisma = await openShort();
    const awaited = await prisma.$transaction(async (tx) => {
      await tx.$executeRaw`lock table "Post" in access exclusive mode`;
      const blocked = prisma.post.findMany({ where: { authorId: 1 } });
      const pending = blocked.then((posts) => posts.length);
      const rows = await Promise.all(ids.map((id) => read(prisma, id)));
      return { rows, pending };
    });
    expect(awaited.rows).toEqual(ids.map(userOf));
    expect(await awaited.pending).toBe(1);
  });
});
