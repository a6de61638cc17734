import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { inspector } from '@tenure/inspector';
import { poolOf, tenure } from '@tenure/knex';
import { instrument } from '@tenure/otel';
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

// A load balancer's check: ready as long as callers need not wait in a long line.
app.get('/health', (_, reply) => {
  const { used, idle, waiting, max } = poolOf(db).figures;
  return reply.code(waiting > 10 * max ? 503 : 200).send({ used, idle, waiting, max });
});

// The metrics of the pool, in OpenTelemetry's names, for Prometheus to scrape.
const exporter = new PrometheusExporter({ preventServerStart: true });
const stop = instrument(poolOf(db), { meterProvider: new MeterProvider({ readers: [exporter] }) });
app.get('/metrics', (request, reply) => exporter.getMetricsRequestHandler(request.raw, reply.hijack().raw));

// The live page: open /pool in a browser. Without a token it answers this machine only.
const page = inspector({ token: process.env.POOL_TOKEN });
app.get('/pool', (request, reply) => void page.node(request.raw, reply.hijack().raw));

// Requests that were accepted are served; then the pool closes.
app.addHook('onClose', async () => {
  stop();
  await db.destroy();
});
process.on('SIGTERM', () => app.close());

await db.schema.raw('create table if not exists orders (id serial primary key, item text not null)');
console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
