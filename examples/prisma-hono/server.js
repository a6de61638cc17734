import { serve } from '@hono/node-server';
import { PrismaPg } from '@prisma/adapter-pg';
import { tenure } from '@tenure/prisma';
import { Hono } from 'hono';
import { PrismaClient } from './generated/prisma/client.js';

const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL });
const prisma = new PrismaClient({ adapter }).$extends(tenure());
const app = new Hono();

// A stock pool closes a healthy connection at each P2002.
app.post('/subscribers/:email', async (context) => {
  try {
    return context.json(await prisma.subscriber.create({ data: { email: context.req.param('email') } }), 201);
  } catch (error) {
    if (error.code === 'P2002') return context.json({ error: 'This address is taken.' }, 409);
    throw error;
  }
});

app.get('/subscribers', async (context) => context.json({ count: await prisma.subscriber.count() }));

app.get('/health', (context) => {
  const { used, idle, waiting, max, opened } = prisma.$pool.stats();
  return context.json({ used, idle, waiting, max, opened });
});

await prisma.$executeRawUnsafe(
  'create table if not exists "Subscriber" (id serial primary key, email text unique not null)',
);
const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, ({ port }) =>
  console.log(`http://127.0.0.1:${port}`),
);
process.on('SIGTERM', () => server.close(() => prisma.$disconnect()));
