// Run by lives.test.ts, which stops this process and continues it.
import { once } from 'node:events';
import { runCalls } from '../contract/load.js';
import { openPool } from '../contract/openPool.js';

const [host = '', port, user = '', password = '', database = '', healthTimeoutMs] = process.argv.slice(2);
const policy = { maxConnections: 10, healthTimeoutMs: Number(healthTimeoutMs) };
const app = openPool({ host, port: Number(port), user, password, database }, policy);

while (app.stats().idle < 10) await runCalls(10, 10, () => app.query('select pg_sleep(0.05)'));
console.log('warm');
await once(process.stdin, 'data');
const outcomes = await runCalls(20, 20, () => app.query('select 1'));
const failed = outcomes.filter(({ error }) => error !== undefined).map(({ error }) => String(error));
console.log(JSON.stringify({ failed, longestMs: Math.max(...outcomes.map(({ tookMs }) => tookMs)) }));
await app.destroy();
process.exit();
