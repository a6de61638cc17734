// The first steps of an application. package.test.ts compiles it as ESM and as CommonJS, against the packed packages.
import { createPool, TenureError } from '@tenure/core';
import * as adapterEntry from '@tenure/core/adapter';
import * as pgEntry from '@tenure/core/pg';
import { tenure } from '@tenure/knex';
import knex from 'knex';

async function main(): Promise<void> {
  const db = knex(tenure({ client: 'pg', connection: process.env.DATABASE_URL as string }));
  const [{ sum }] = await db.select(db.raw('1 + 1 as sum'));
  await db.destroy();

  const stubs = createPool({ connect: async () => ({ name: 'stub' }), close: async () => {} });
  const name: string = await stubs.use(async (stub) => stub.name);
  await stubs.drain();
  const refusal = await stubs.acquire().catch((error: unknown) => error);

  const facts = [
    sum,
    name,
    refusal instanceof TenureError,
    [pgEntry, adapterEntry].every((entry) => Object.keys(entry).length > 0),
  ];
  console.log(JSON.stringify(facts));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
