// Run by crash.test.ts: one query, and nothing that ends the pool.
import { Pool } from '@tenure/core/pg';
import pg from 'pg';

const [url = '', which, options = '{}'] = process.argv.slice(2);
const PoolToTest = which === 'stock' ? pg.Pool : Pool;
const pool = new PoolToTest({ connectionString: url, ...JSON.parse(options) });
await pool.query('select 1');
const start = performance.now();
process.on('exit', () => console.log(performance.now() - start < 1_000 ? 'exits at once' : 'exits after a while'));
