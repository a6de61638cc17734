import { setTimeout as sleep } from 'node:timers/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from '@tenure/core/pg';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { PrismaClient } from '../../prisma/generated/client.js';

/** Apps, each with a database of its own, and what the doctor must find of each. */
export interface Scenario {
  /** The name, also of the database. */
  name: string;
  /** The critical findings and warnings, most severe first. */
  alarms: string[];
  /** Starts it; returns a function that stops it. */
  start(url: string): Promise<() => Promise<unknown>>;
}

const PROCESSES = 8;
const KEPT = { min: 0, idleTimeoutMillis: 60_000, acquireTimeoutMillis: 2_000 };
/** A refused connect is what these apps are about. */
const SILENT = { warn() {}, error() {}, deprecate() {}, debug() {} };
const TABLE = `
  create table if not exists "User" (id serial primary key, email text unique not null, name text);
  insert into "User" (email) values ('taken') on conflict do nothing`;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'knex_per_request',
    alarms: ['per-request'],
    start: async (url) =>
      load(6, 400, async () => {
        const db = knex({ client: 'pg', connection: url });
        await db.raw('select 1').finally(() => db.destroy());
      }),
  },
  {
    name: 'knex_8x10',
    alarms: [],
    async start(url) {
      const fleet = knexFleet(url, 10);
      const stop = load(80, 1_500, (index) => fleet.of(index).raw('select pg_sleep(0.5)'));
      return () => stop().then(fleet.end);
    },
  },
  {
    name: 'pool_violations',
    alarms: ['closed-by-errors'],
    async start(url) {
      await run(url, TABLE);
      const pools = Array.from({ length: PROCESSES }, () => new pg.Pool({ connectionString: url, max: 4 }));
      const stop = load(8, 500, (index) => pools[index % PROCESSES]!.query(INSERT, [email()]));
      return () => stop().then(() => Promise.all(pools.map((pool) => pool.end())));
    },
  },
  {
    name: 'prisma_violations',
    alarms: ['closed-by-errors'],
    async start(url) {
      await run(url, TABLE);
      const clients = Array.from({ length: 3 }, () => {
        return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 4 }) });
      });
      const stop = load(8, 500, (index) => clients[index % 3]!.user.create({ data: { email: email() } }));
      return () => stop().then(() => Promise.all(clients.map((client) => client.$disconnect())));
    },
  },
  {
    name: 'tenure_violations',
    alarms: [],
    async start(url) {
      await run(url, TABLE);
      const pool = new Pool({ connectionString: url, max: 20 });
      const stop = load(8, 500, () => pool.query(INSERT, [email()]));
      return () => stop().then(() => pool.end());
    },
  },
  {
    name: 'leaked_transaction',
    alarms: ['open-transaction'],
    async start(url) {
      const pool = new pg.Pool({ connectionString: url, max: 4 });
      const leaked = [await pool.connect(), await pool.connect()];
      for (const client of leaked) await client.query('begin; select 1');
      const stop = load(2, 200, () => pool.query('select 1'));
      return async () => {
        await stop();
        for (const client of leaked) client.release(true);
        await pool.end();
      };
    },
  },
  {
    name: 'blocked_row',
    alarms: ['lock-waits'],
    async start(url) {
      await run(url, TABLE);
      const [blocker, ...blocked] = await Promise.all(Array.from({ length: 6 }, () => connect(url)));
      await blocker!.query(`begin; update "User" set name = 'x' where email = 'taken'`);
      const waiting = blocked.map((client) => client.query(`update "User" set name = 'y' where email = 'taken'`));
      return async () => {
        await blocker!.query('rollback');
        await Promise.all(waiting);
        await Promise.all([blocker!, ...blocked].map((client) => client.end()));
      };
    },
  },
  {
    name: 'warm_up',
    alarms: [],
    async start(url) {
      const pools: pg.Pool[] = [];
      const warmUp = (async () => {
        for (let process = 0; process < 4; process++) {
          await sleep(600);
          const pool = new pg.Pool({ connectionString: url, max: 10 });
          await Promise.all(Array.from({ length: 8 }, () => pool.query('select 1')));
          pools.push(pool);
        }
      })();
      const stop = load(32, 1_500, async (index) => pools[index % 4]?.query('select pg_sleep(0.4)'));
      return () => stop().then(() => warmUp.then(() => Promise.all(pools.map((pool) => pool.end()))));
    },
  },
  {
    name: 'rolling_restart',
    alarms: [],
    async start(url) {
      const open = () => new pg.Pool({ connectionString: url, max: 5 });
      const pools = Array.from({ length: PROCESSES }, open);
      const stop = load(4 * PROCESSES, 1_200, (index) => pools[index % PROCESSES]!.query('select pg_sleep(0.3)'));
      const ending: Promise<unknown>[] = [];
      let next = 0;
      const restarting = setInterval(() => {
        const process = next++ % PROCESSES;
        ending.push(pools[process]!.end());
        pools[process] = open();
      }, 1_200);
      return async () => {
        clearInterval(restarting);
        await stop();
        await Promise.all([...ending, ...pools.map((pool) => pool.end())]);
      };
    },
  },
];

/** Takes all that a server of 100 gives. */
export const FULL_SCENARIOS: readonly Scenario[] = [
  {
    name: 'knex_8x50',
    alarms: ['full', 'fleet-too-large'],
    async start(url) {
      const fleet = knexFleet(url, 50);
      const stop = load(400, 100, (index) => fleet.of(index).raw('select pg_sleep(0.5)'));
      return () => stop().then(fleet.end);
    },
  },
  {
    name: 'knex_per_request_kept',
    alarms: ['full', 'not-reused'],
    async start(url) {
      const all: Knex[] = [];
      const stop = load(20, 150, async () => {
        const db = knex({ client: 'pg', connection: url, pool: KEPT, log: SILENT });
        all.push(db);
        await db.raw('select 1');
      });
      return () => stop().then(() => Promise.all(all.map((db) => db.destroy())));
    },
  },
];

export function knexFleet(url: string, max: number) {
  const processes = Array.from({ length: PROCESSES }, () => {
    return knex({ client: 'pg', connection: url, pool: { max }, acquireConnectionTimeout: 5_000, log: SILENT });
  });
  return {
    of: (index: number) => processes[index % PROCESSES]!,
    end: () => Promise.all(processes.map((db) => db.destroy())),
  };
}

const INSERT = 'insert into "User" (email) values ($1)';
let inserted = 0;

/** Three of ten are taken. */
function email(): string {
  return Math.random() < 0.3 ? 'taken' : `user ${process.pid} ${inserted++}`;
}

/** Callers that call again and again, whatever the result. */
export function load(callers: number, pauseMs: number, work: (index: number) => unknown): () => Promise<unknown> {
  let stopped = false;
  const loops = Array.from({ length: callers }, async (_, index) => {
    await sleep((pauseMs * index) / callers);
    while (!stopped) {
      await Promise.resolve(work(index)).catch(() => {});
      await sleep(pauseMs * (0.5 + Math.random()));
    }
  });
  return () => {
    stopped = true;
    return Promise.all(loops);
  };
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function run(url: string, sql: string): Promise<void> {
  const client = await connect(url);
  await client.query(sql).finally(() => client.end());
}
