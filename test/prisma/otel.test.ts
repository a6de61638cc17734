import { instrument } from '@tenure/otel';
import { expect, it, onTestFinished } from 'vitest';
import { usePrometheus, valuesOf } from '../postgres/otel/scrape.js';
import { usePostgres } from '../support/usePostgres.js';
import { clientOf } from './support.js';

const postgres = await usePostgres();

it('the pool of a Prisma client is published, and the one that it gets after $disconnect() too', async () => {
  const prometheus = await usePrometheus();
  onTestFinished(() => prometheus.shutdown());
  const prisma = clientOf({ connectionString: postgres.url }, { name: 'prisma' });
  const stop = instrument(prisma.$pool, prometheus);
  const counts = async () => {
    const samples = await prometheus.scrape();
    return ['wait', 'use', 'create'].map((kind) =>
      valuesOf(samples, 'prisma', `db_client_connection_${kind}_time_count`),
    );
  };
  await prisma.$queryRaw`select 1`;
  await prisma.$queryRaw`select 2`;
  expect(await counts()).toEqual([2, 2, 1]);
  await prisma.$disconnect();
  await prisma.$queryRaw`select 3`;
  // The new pool is seen at a collection, and timed from then on.
  await counts();
  await prisma.$queryRaw`select 4`;
  const [waits, uses] = await counts();
  expect(waits).toBeGreaterThanOrEqual(3);
  expect(uses).toBe(waits);
  stop();
});
