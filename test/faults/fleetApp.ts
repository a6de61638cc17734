// One process of a fleet. Messages set its number of callers, and it reports its figures.
import { Pool } from '@tenure/core/pg';

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 40 });
pool.on('error', () => {});
process.on('warning', () => {});
const failures: string[] = [];
let callers = 0;
let active = 0;

async function call(): Promise<void> {
  active++;
  while (active <= callers) {
    try {
      await pool.query('select pg_sleep(0.005)');
    } catch (error) {
      failures.push(String(error));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  active--;
}

process.on('message', (wanted: number | 'report') => {
  if (wanted === 'report') {
    const { budget, closed, acquired, max } = pool.stats();
    process.send?.({ ...budget, closed: closed.budget, acquired, max, failures });
    return;
  }
  callers = wanted;
  while (active < callers) void call();
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
