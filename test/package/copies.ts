/** An app that has Tenure as an ES module here, and as CommonJS there. Prints the owners of each pool, and what was opened. */
export const BOTH_KINDS = `
import { createRequire } from 'node:module';
import * as esm from '@tenure/core/pg';
const cjs = createRequire(import.meta.url)('@tenure/core/pg');

process.removeAllListeners('warning');
const settings = { connectionString: process.env.DATABASE_URL, application_name: 'both kinds', max: 1, connectionTimeoutMillis: 300 };
const pools = [new esm.Pool(settings), new cjs.Pool({ ...settings })];
for (const pool of pools) await pool.query("set work_mem = '9MB'");
const client = await pools[0].connect();
const late = await pools[1].connect().catch((error) => error);
client.release();
const { rows } = await pools[0].query('show work_mem');
await pools[0].end();
await pools[1].query('select 1');
console.log(esm.Pool === cjs.Pool, late.code, pools[1].stats().opened, rows[0].work_mem, pools[1].stats().owners);
await pools[1].end();
`;
