import type { Random } from '../script.js';

/** How the pools of a script are made. */
export type Making =
  /** Each on a line of its own. */
  | 'places'
  /** Made by a loop, in one turn of the event loop. */
  | 'loop'
  /** Made by a function that is called again and again, in different turns: in Tenure these share one limit. */
  | 'factory';

/** The steps of a script with several pools, one after the other. Clients are named by a number. */
export type OwnerStep =
  | { readonly do: 'query'; readonly pool: number; readonly text: string }
  | { readonly do: 'take'; readonly pool: number; readonly client: number }
  | { readonly do: 'ask'; readonly client: number; readonly text: string }
  | { readonly do: 'release'; readonly client: number }
  /** Leaves something on the client object. */
  | { readonly do: 'mark'; readonly client: number; readonly what: 'property' | 'method' | 'parser' | 'listener' }
  /** Copies a result of the one pool, row by row, into a table through the other. */
  | { readonly do: 'copy'; readonly from: number; readonly into: number; readonly rows: number }
  | { readonly do: 'end'; readonly pool: number };

export interface OwnerScript {
  readonly making: Making;
  readonly max: number;
  readonly pools: number;
  readonly steps: readonly OwnerStep[];
}

/** State that a session keeps, and how it shows. `{side}` separates the locks and channels of the two sides. */
const STATE = [
  ['set application.mine = $$a$$', `select current_setting('application.mine', true) as mine`],
  ['set search_path = pg_catalog', 'show search_path'],
  ['create temporary table if not exists mine (id int)', `select to_regclass('pg_temp.mine') is not null as has`],
  ['listen {side}', 'select pg_listening_channels() as channel'],
  [
    'select pg_advisory_lock({lock})::text',
    `select count(*)::int as locks from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'`,
  ],
] as const;

const ANSWERS = ['select 1 as one', `insert into {side}_log values ('{n}') returning entry`, 'select 1/0', 'selct'];

/** Writes a script that stock serves: no pool is asked for more clients than its maximum. */
export function writeScript(random: Random): OwnerScript {
  const making = random.pick<Making>(['places', 'places', 'loop', 'factory']);
  const max = random.pick([1, 2, 3]);
  const pools = 2 + random.below(2);
  const steps: OwnerStep[] = [];
  const held: { pool: number; client: number }[] = [];
  const ended = new Set<number>();
  let clients = 0;
  /**
   * Pools on whose sessions something was left. There no `pool.query` fails: a stock pool would close the connection and what was left with it,
   * Tenure keeps both, as the README of the core says.
   */
  const left = new Set<number>();
  const leaves = (text: string) => STATE.some(([sets]) => sets === text);
  /** Whether the pool's idle sessions are its own: a shared limit may close them. */
  const isSession = max === 1 || making !== 'factory';
  for (let step = 0; step < 6 + random.below(20); step++) {
    const pool = random.below(pools);
    if (ended.has(pool)) continue;
    const mine = held.filter((one) => one.pool === pool);
    const holder = mine.length > 0 && random.chance(0.6) ? random.pick(mine) : undefined;
    const hasRoom = mine.length < max;
    if (holder && random.chance(0.4)) {
      steps.push({ do: 'release', client: holder.client });
      held.splice(held.indexOf(holder), 1);
    } else if (holder && random.chance(0.3)) {
      const what = random.pick(['property', 'method', 'parser', 'listener'] as const);
      steps.push({ do: 'mark', client: holder.client, what });
    } else if (holder) {
      const text = random.pick(random.pick([...STATE, ANSWERS]));
      if (leaves(text)) left.add(pool);
      steps.push({ do: 'ask', client: holder.client, text });
    } else if (hasRoom && random.chance(0.5)) {
      steps.push({ do: 'take', pool, client: clients });
      held.push({ pool, client: clients++ });
    } else if (hasRoom && random.chance(0.1) && pools > 1) {
      const into = (pool + 1) % pools;
      const isFree = held.filter((one) => one.pool === into).length < max && !ended.has(into) && !left.has(into);
      if (isFree) steps.push({ do: 'copy', from: pool, into, rows: 1 + random.below(40) });
    } else if (hasRoom && mine.length === 0 && random.chance(0.05)) {
      steps.push({ do: 'end', pool });
      ended.add(pool);
    } else if (hasRoom) {
      const answers = left.has(pool) ? ANSWERS.slice(0, 1) : ANSWERS;
      const text = random.pick(isSession && random.chance(0.5) ? random.pick(STATE) : answers);
      if (leaves(text)) left.add(pool);
      steps.push({ do: 'query', pool, text });
    }
  }
  return { making, max, pools, steps };
}
