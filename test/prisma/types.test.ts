import { PrismaPg } from '@prisma/adapter-pg';
import type { PoolStats } from '@tenure/core';
import { type PrismaPool, tenure, tenureAdapter } from '@tenure/prisma';
import { expectTypeOf, it } from 'vitest';
import { PrismaClient, type User } from './generated/client.js';

const makeClient = () =>
  new PrismaClient({ adapter: new PrismaPg('postgres://app@127.0.0.1:1/app') }).$extends(tenure());
type Client = ReturnType<typeof makeClient>;

/** Checked by `tsc`. */
it('types survive $extends', () => {
  expectTypeOf<Client['$pool']>().toEqualTypeOf<PrismaPool>();
  expectTypeOf<ReturnType<Client['$pool']['stats']>>().toEqualTypeOf<PoolStats>();
  const use = async (prisma: Client) => {
    expectTypeOf(await prisma.user.findMany()).toEqualTypeOf<User[]>();
    expectTypeOf(await prisma.user.findFirst({ select: { email: true } })).toEqualTypeOf<{ email: string } | null>();
    expectTypeOf(await prisma.user.count()).toEqualTypeOf<number>();
    const [users, count] = await prisma.$transaction([prisma.user.findMany(), prisma.post.count()]);
    expectTypeOf(users).toEqualTypeOf<User[]>();
    expectTypeOf(count).toEqualTypeOf<number>();
    await prisma.$transaction(async (tx) => expectTypeOf(await tx.user.findMany()).toEqualTypeOf<User[]>());
    expectTypeOf(prisma.$disconnect).returns.toEqualTypeOf<Promise<void>>();
    // @ts-expect-error no such model
    prisma.nothing;
    // @ts-expect-error no such field
    await prisma.user.findMany({ where: { nothing: 1 } });
    const further = prisma.$extends({ client: { $hello: () => 'hello' } });
    expectTypeOf(further.$hello()).toBeString();
    expectTypeOf(further.$pool).toEqualTypeOf<PrismaPool>();
  };
  expectTypeOf(use).toBeFunction();
});

it('a policy has only what there is', () => {
  expectTypeOf(tenure).toBeCallableWith({ maxConnections: 5, maxAgeMs: 'none', retryReads: false, name: 'orders' });
  // @ts-expect-error no such setting
  expectTypeOf(tenure).toBeCallableWith({ maxConections: 5 });
  expectTypeOf(tenureAdapter('postgres://app@127.0.0.1:1/app').pool).toEqualTypeOf<PrismaPool>();
});
