import { createRequire } from 'node:module';

/**
 * An app under fake timers, which nothing advances: serves through each of its clients again and again, now from a connection just returned,
 * now from one that must be listened to, and lets callers wait in line. Prints what it served.
 */
const [url = '', fakes, when, client] = process.argv.slice(2);
const { setTimeout: sleep } = globalThis;

function install(): void {
  const require = createRequire(import.meta.url);
  // Sinon's; Jest and Vitest use the same library. Without process.nextTick, under which neither Node's streams nor pg get on.
  if (fakes === 'sinon') require('sinon').useFakeTimers({ toNotFake: ['nextTick'] });
  else
    createRequire(require.resolve('sinon'))('@sinonjs/fake-timers').install({
      toFake: ['setTimeout', 'setImmediate', 'Date', 'performance'],
    });
}

async function open(): Promise<(n: number) => Promise<unknown>> {
  if (client === 'stock' || client === 'Pool') {
    const Pool = client === 'stock' ? (await import('pg')).default.Pool : (await import('@tenure/core/pg')).Pool;
    const pool = new Pool({ connectionString: url, max: 1 });
    return async (n) => (await pool.query('select $1::int as n', [n])).rows[0].n;
  }
  if (client === 'Knex') {
    const { tenure } = await import('@tenure/knex');
    const { default: knex } = await import('knex');
    const db = knex(tenure({ client: 'pg', connection: url, pool: { max: 1 } }));
    return async (n) => (await db.raw('select ?::int as n', [n])).rows[0].n;
  }
  const { tenure } = await import('@tenure/prisma');
  const { PrismaPg } = await import('@prisma/adapter-pg');
  const { PrismaClient } = await import('../../prisma/generated/client.js');
  const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 1 }) }).$extends(tenure());
  return async (n) => (await prisma.$queryRaw<{ n: number }[]>`select ${n}::int as n`)[0]?.n;
}

if (when === 'before') install();
const ask = await open();
if (when === 'after') install();
const served: unknown[] = [];
for (const pauseMs of [0, 20, 20, 600]) {
  await new Promise((resolve) => sleep(resolve, pauseMs));
  served.push(...(await Promise.all([1, 2, 3].map(ask))));
}
process.stdout.write(`served ${served.join(' ')}\n`, () => process.exit());
