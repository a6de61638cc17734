// Run by crash.test.ts, which looks at how this process ends.
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';

const [url = '', which, what] = process.argv.slice(2);
const pool: pg.Pool = new (which === 'stock' ? pg.Pool : Pool)({ connectionString: url, application_name: 'victim' });

/** Ends the session of the pool, once it is in this state. */
async function killWhen(state: string): Promise<void> {
  const killer = new pg.Client(url);
  await killer.connect();
  const sql = `select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'victim' and state = $1`;
  while ((await killer.query(sql, [state])).rowCount === 0) await sleep(10);
  await killer.end();
  await sleep(100);
}

const scenarios: Record<string, () => Promise<unknown>> = {
  async idle() {
    await pool.query('select 1');
    await killWhen('idle');
  },
  async 'checked out'() {
    const client = await pool.connect();
    await killWhen('idle');
    client.release();
  },
  async 'in a transaction'() {
    const client = await pool.connect();
    await client.query('begin');
    await killWhen('idle in transaction');
    await client.query('select 1').catch((error) => client.release(error));
  },
  async 'in mid-query'() {
    const killed = pool.query('select pg_sleep(20)').catch(() => {});
    await killWhen('active');
    await killed;
  },
  async connecting() {
    pool.options.onConnect = (client) => client.query('select pg_sleep(20)') as never;
    const killed = pool.query('select 1').catch(() => {});
    await killWhen('active');
    pool.options.onConnect = undefined;
    await killed;
  },
  'in a callback': () =>
    new Promise((resolve) => {
      process.once('uncaughtException', resolve);
      void pool.query('select 1', () => {
        throw new Error('the bug of the app');
      });
    }),
  // The stock pool hangs after this: what is thrown there stops pg in the middle of a message.
  'in the callback of connect': () =>
    new Promise((resolve) => {
      process.once('uncaughtException', resolve);
      pool.connect((_error, _client, release) => {
        release();
        throw new Error('the bug of the app');
      });
    }),
};

await scenarios[what!]!();
const { rows } = await pool.query('select 1 as n');
console.log(`still serves ${rows[0].n}`);
await pool.end();
