/** An app that has Tenure as an ES module here, and as CommonJS there, and makes pools of both at one place. Prints what they have in common. */
export const BOTH_KINDS = `
import { createRequire } from 'node:module';
import * as esm from '@tenure/core/pg';
const cjs = createRequire(import.meta.url)('@tenure/core/pg');

const settings = { connectionString: process.env.DATABASE_URL, application_name: 'both kinds', max: 2, connectionTimeoutMillis: 300 };
const pools = [];
for (const { Pool } of [esm, cjs]) {
  pools.push(new Pool({ ...settings }));
  await new Promise(setImmediate);
}
const clients = [await pools[0].connect(), await pools[0].connect()];
const late = await pools[1].connect().catch((error) => error);
for (const client of clients) client.release();
const { rows } = await pools[1].query('select 1 as served');
const { owners } = pools[1].stats();
await pools[0].end();
console.log(esm.Pool === cjs.Pool, late.code, rows[0].served, owners, pools[1].stats().owners);
await pools[1].end();
`;
