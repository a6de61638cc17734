import { poolOf, tenure } from '@tenure/knex';
import Fastify from 'fastify';
import knex from 'knex';

const db = knex(tenure({ client: 'pg', connection: process.env.DATABASE_URL }, { name: 'shop' }));
const app = Fastify();

app.get('/orders', () => db('orders').select('id', 'item').orderBy('id', 'desc').limit(10));

app.post('/orders', async (request, reply) => {
  const order = await db.transaction(async (trx) => {
    const [row] = await trx('orders').insert({ item: request.body.item }).returning(['id', 'item']);
    return row;
  });
  return reply.code(201).send(order);
});

// For a load balancer: ready as long as callers need not wait in a long line.
app.get('/health', (_, reply) => {
  const { used, idle, waiting, max } = poolOf(db).figures;
  return reply.code(waiting > 10 * max ? 503 : 200).send({ used, idle, waiting, max });
});

// Requests that were accepted are served; then the pool closes.
app.addHook('onClose', () => db.destroy());
process.on('SIGTERM', () => app.close());

await db.schema.raw('create table if not exists orders (id serial primary key, item text not null)');
console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
