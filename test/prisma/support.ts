import { PrismaPg } from '@prisma/adapter-pg';
import type { PolicyOverrides } from '@tenure/core';
import { tenure } from '@tenure/prisma';
import { onTestFinished } from 'vitest';
import type { PostgresServer } from '../support/postgres.js';
import { PrismaClient } from './generated/client.js';

const TABLES = `
  create table "User" (id serial primary key, email text unique not null, name text);
  create table "Post" (id serial primary key, title text not null, "authorId" int not null references "User" (id));
  alter table "User" owner to app;
  alter table "Post" owner to app`;

export async function createTables(postgres: PostgresServer): Promise<void> {
  await postgres.admin(TABLES);
}

type Given = ConstructorParameters<typeof PrismaPg>;

/** A client as an app makes it, until the end of the test. */
export function clientOf(poolOrConfig: Given[0], policy?: PolicyOverrides, options?: Given[1]) {
  const prisma = new PrismaClient({ adapter: new PrismaPg(poolOrConfig, options) }).$extends(tenure(policy));
  onTestFinished(() => prisma.$disconnect());
  return prisma;
}

/** A transaction that keeps its connection until it is released. */
export function hold(prisma: ReturnType<typeof clientOf>) {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const holder = prisma.$transaction(async (tx) => {
    await tx.$queryRaw`select 1`;
    await released;
  });
  return { holder, release };
}
