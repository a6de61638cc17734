/** The types of the README's snippets, by the name of the script: appended to it, compiled and run. */
export const EXACT_TYPES: Readonly<Record<string, string>> = {
  knex: `
import { same } from './same.js';
import type { Knex } from 'knex';
same<typeof db, Knex<any, unknown[]>>(true);
`,
  prisma: `
import { same } from './same.js';
import type { PrismaPool } from '@tenure/prisma';
import type { User } from './generated/prisma/client.js';
same<typeof prisma.$pool, PrismaPool>(true);
same<typeof found, User | null>(true);
const emails = await prisma.$transaction((tx) => tx.user.findMany({ select: { email: true } }));
same<typeof emails, { email: string }[]>(true);
// @ts-expect-error no such model
prisma.nothing;
// @ts-expect-error no such field
void prisma.user.findMany({ where: { nothing: 1 } });
`,
  pool: `
import { same } from './same.js';
import type { PoolStats } from '@tenure/core';
import type pg from 'pg';
const asPgPool: pg.Pool = pool;
same<ReturnType<typeof pool.stats>, PoolStats>(true);
`,
  driver: `
import { same } from './same.js';
import type { Pool } from '@tenure/core';
import type pg from 'pg';
same<typeof pool, Pool<pg.Client>>(true);
`,
};

/** A module with `same`, which compiles for one type only. */
export const SAME = `
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
export function same<A, B>(_: Same<A, B>): void {}
`;

const STRICT = { strict: true, target: 'es2022', types: ['node'] };

/** How an application is compiled for Node; Prisma reads it too, to see how its client should import. */
const NODE16 = { compilerOptions: { ...STRICT, module: 'node16' } };
const BUNDLER = { compilerOptions: { ...STRICT, module: 'esnext', moduleResolution: 'bundler', noEmit: true } };

export const CONFIGS = { 'tsconfig.json': JSON.stringify(NODE16), 'bundler.json': JSON.stringify(BUNDLER) };
