import type { Random } from '../script.js';

/** The steps with the clients of one pool, one after the other; `on` is the client's number. */
export type Step =
  | { readonly do: 'connect' | 'mark' | 'patch' | 'look'; readonly on: number }
  | {
      readonly do: 'release';
      readonly on: number;
      readonly with: 'nothing' | 'its error' | 'an error of the app' | 'true';
    }
  | {
      readonly do: 'query' | 'late query';
      readonly on: number;
      readonly text: string;
      readonly values?: readonly unknown[];
    }
  /** Sent whole, without waiting for the answer. */
  | { readonly do: 'send'; readonly on: number; readonly texts: readonly string[] }
  | { readonly do: 'cursor' | 'stream' | 'copy in' | 'copy out'; readonly on: number; readonly rows: number }
  | { readonly do: 'pool.query'; readonly text: string; readonly values?: readonly unknown[] }
  | { readonly do: 'wait'; readonly forMs: number };

export interface Script {
  readonly steps: readonly Step[];
  readonly max: number;
  /** `subclass`: sets a tenant for each caller that takes a client; `instance`: its `connect` is replaced. */
  readonly pool: 'plain' | 'subclass' | 'instance';
  readonly fakeTimers: boolean;
}

export const SCHEMA = 'create table things (id int primary key, what text); grant all on things to app';

/** pg-cursor and similar packages use timers of their own, so fake ones stop them with any pool. */
const BY_TIMERS = ['cursor', 'stream', 'copy in', 'copy out'];

/** State that a session may keep. */
const SETTING = [
  'set role other',
  `set app.tenant = 'left'`,
  `set work_mem = '9MB'`,
  'select pg_advisory_lock(7)',
  'create temp table mine (n int)',
  'listen news',
  'prepare said as select 1',
];
const FAILING = [
  'select 1/0',
  'select nothing',
  'insert into things values (1, null)',
  'select pg_advisory_lock(8), 1/0',
  `do $$ begin raise 'no'; end $$`,
];
const STATE = `select current_user::text as role, current_setting('app.tenant', true) as tenant, current_setting('work_mem') as mem,
  (select count(*)::int from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks, to_regclass('pg_temp.mine') is null as clean,
  (select count(*)::int from pg_prepared_statements where name = 'said') as said, (select count(*)::int from pg_listening_channels()) as channels`;

/**
 * Writes what an app may do with stock `pg` and come out well: it leaves no transaction open at a release without an error, and nothing that
 * makes the next borrower of a stock pool wait for ever.
 */
export function write(random: Random): Script {
  const max = random.pick([1, 1, 1, 2]);
  const steps: Step[] = [];
  let id = 2 + random.below(1_000_000) * 100;
  const insert = () => `insert into things values (${id++}, 'x')`;
  const held: number[] = [];
  const returned: number[] = [];
  let next = 0;
  /** Something is on the session that an error of `pool.query` would take off a stock pool with its connection; ours keeps the connection. */
  let isSet = false;
  const state: Step = { do: 'pool.query', text: STATE };
  const use = (on: number): void => {
    const kind = random.below(12);
    if (kind < 3) steps.push({ do: 'query', on, text: insert() });
    else if (kind === 3) steps.push({ do: 'query', on, text: random.pick(FAILING) });
    // With more than one session, the order in which they are lent is not defined.
    else if (kind === 4 && max === 1) {
      steps.push({ do: 'query', on, text: random.pick(SETTING) });
      isSet = true;
    } else if (kind === 5) {
      steps.push({
        do: max === 1 ? random.pick(['mark', 'patch', 'look'] as const) : random.pick(['patch', 'look'] as const),
        on,
      });
      isSet = true;
    } else if (kind === 6)
      steps.push({
        do: random.pick(['cursor', 'stream', 'copy in', 'copy out'] as const),
        on,
        rows: random.below(300),
      });
    else if (kind === 7) steps.push({ do: 'query', on, text: 'select $1::int as n', values: [random.below(9)] });
    else {
      const body = Array.from({ length: random.below(3) }, insert);
      const end = random.pick(['commit', 'commit', 'rollback']);
      for (const text of ['begin', ...body, ...(random.chance(0.2) ? ['select 1/0'] : []), end])
        steps.push({ do: 'query', on, text });
    }
  };
  for (let n = 4 + random.below(14); n > 0; n--) {
    const kind = random.below(10);
    if (kind < 3 && held.length < max) {
      steps.push({ do: 'connect', on: next });
      held.push(next++);
    } else if (kind < 6 && held.length > 0) {
      use(random.pick(held));
    } else if (kind < 8 && held.length > 0) {
      const on = held.splice(random.below(held.length), 1)[0]!;
      const isSent = random.chance(0.3);
      let how = random.pick(['nothing', 'nothing', 'its error', 'an error of the app', 'true'] as const);
      // A stock pool closes the connection over this error and cuts off what was sent. Ours keeps the connection and lets it end.
      if (isSent && how === 'its error') how = 'nothing';
      const isEnd = how === 'true' || how === 'an error of the app';
      // The same for what an earlier borrower has sent: on a stock pool the next one has the connection while it still runs.
      if (isEnd) steps.push({ do: 'query', on, text: 'select 3 as three' });
      if (isSent)
        steps.push({ do: 'send', on, texts: ['begin', insert(), 'select pg_sleep(0.02)', insert(), 'commit'] });
      if (max === 1 && isEnd) isSet = false;
      steps.push({ do: 'release', on, with: how });
      returned.push(on);
    } else if (kind === 8 && returned.length > 0) {
      steps.push({
        do: 'late query',
        on: random.pick(returned),
        text: random.chance(0.5) ? 'select 1 as one' : insert(),
      });
    } else if (held.length < max) {
      steps.push(
        max === 1 && random.chance(0.5)
          ? state
          : { do: 'pool.query', text: random.pick([insert(), 'select 2 as two', ...(isSet ? [] : FAILING)]) },
      );
    } else {
      steps.push({ do: 'wait', forMs: random.below(15) });
    }
  }
  for (const on of held) steps.push({ do: 'release', on, with: 'nothing' });
  if (max === 1)
    steps.push(
      { do: 'connect', on: next },
      { do: 'look', on: next },
      { do: 'query', on: next, text: STATE },
      { do: 'release', on: next, with: 'nothing' },
    );
  return {
    steps,
    max,
    pool: random.pick(['plain', 'plain', 'subclass', 'instance'] as const),
    fakeTimers: random.chance(0.3) && !steps.some((step) => BY_TIMERS.includes(step.do)),
  };
}
