/** The work that each stack must do on each runtime. A script prints `ok`, and ends by itself. */

const CHECK = `
async function check(query, pool, close) {
  const expect = (what, is) => { if (!is) throw new Error(what); };
  await query('create table if not exists compat (id int primary key, title text unique)');
  await query("insert into compat values (1, 'Emma') on conflict do nothing");
  for (let n = 0; n < 5; n++) {
    const error = await query("insert into compat values (2, 'Emma')").catch((error) => error);
    expect('a unique violation was not refused', error instanceof Error);
  }
  expect('a failed statement closed its connection', pool.stats().opened === 1);
  await query('select pg_terminate_backend(pg_backend_pid())').catch(() => {});
  await query('select 1');
  expect('a lost connection was not replaced', pool.stats().opened === 2);
  await close();
  expect('a connection is left', pool.connections().length === 0);
  console.log('ok');
}
`;

export const SCRIPTS: Readonly<Record<string, string>> = {
  'pg.mjs': `
import { Pool } from '@tenure/core/pg';
${CHECK}
const pool = new Pool({ connectionString: process.env.DATABASE_URL });
for (let n = 1; n <= 8; n++) await pool.query('select title from compat where id = $1', [n]).catch(() => {});
const client = await pool.connect();
await client.query('BEGIN');
client.release();
const { rows } = await pool.query('select now() = statement_timestamp() as outside');
if (!rows[0].outside || pool.stats().rolledBack !== 1) throw new Error('an open transaction was not rolled back');
await check((sql) => pool.query(sql), pool, () => pool.end());
`,
  'pg.cjs': `
const { Pool } = require('@tenure/core/pg');
${CHECK}
const pool = new Pool({ connectionString: process.env.DATABASE_URL });
check((sql) => pool.query(sql), pool, () => pool.end());
`,
  'knex.mjs': `
import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
${CHECK}
const db = knex(tenure({ client: 'pg', connection: process.env.DATABASE_URL }));
const pool = poolOf(db);
await check(async (sql) => await db.raw(sql), pool, async () => {
  await db.transaction((trx) => trx.raw('select 1'));
  await db.destroy();
});
`,
  'prisma.mjs': `
import { PrismaPg } from '@prisma/adapter-pg';
import { tenure } from '@tenure/prisma';
import { PrismaClient } from './generated/prisma/client.js';
${CHECK}
const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL });
const prisma = new PrismaClient({ adapter }).$extends(tenure());
await prisma.user.count();
const pool = prisma.$pool.current;
await prisma.$transaction((tx) => tx.user.count());
await check((sql) => prisma.$executeRawUnsafe(sql), pool, () => prisma.$disconnect());
`,
};
