import { serve } from '@hono/node-server';
import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from '@tenure/core/pg';
import { tenure as withPlugin } from '@tenure/knex';
import { tenure } from '@tenure/prisma';
import { Hono } from 'hono';
import knex from 'knex';
import { PrismaClient } from './generated/prisma/client.js';

// An app on its way from Knex to Prisma: one pool, one limit, one set of statistics.
const pool = new Pool({ connectionString: process.env.DATABASE_URL, application_name: 'invoices' });
const db = knex(withPlugin({ client: 'pg', connectionPool: pool }));
const prisma = new PrismaClient({ adapter: new PrismaPg(pool) }).$extends(tenure());
const app = new Hono();

// Old routes use Knex.
app.get('/invoices', async (context) => context.json(await db('Invoice').select('id', 'number').orderBy('id')));

// New routes use Prisma.
app.post('/invoices/:number', async (context) => {
  try {
    return context.json(await prisma.invoice.create({ data: { number: context.req.param('number') } }), 201);
  } catch (error) {
    if (error.code === 'P2002') return context.json({ error: 'This number is taken.' }, 409);
    throw error;
  }
});

app.get('/health', (context) => {
  const { used, idle, waiting, max, opened } = pool.stats();
  return context.json({ used, idle, waiting, max, opened });
});

await db.raw('create table if not exists "Invoice" (id serial primary key, number text unique not null)');
const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`http://127.0.0.1:${port}`),
);

// Each waits for its own work and leaves the pool open; end() closes it.
process.on('SIGTERM', () =>
  server.close(async () => {
    await Promise.all([db.destroy(), prisma.$disconnect()]);
    await pool.end();
  }),
);
