import { expect } from 'vitest';
import { HOSTS, type Host, type Kind, type PoolStats, type Random, type Script, type Step } from '../script.js';

/*
 * Texts that are run again and again, so that they are prepared, and between the runs whatever may change what they mean: settings, roles, search
 * paths, temporary tables, changes of tables here and elsewhere, errors, and time.
 */

/** A text, and values that it may be given. */
interface Query {
  readonly text: string;
  readonly values: (random: Random) => unknown[];
}

const NUMBERS = ['5', '02134', '1.5', '7', '3000000000', 'abc', '', null, '16777217'];
const MOMENTS = [
  '2024-03-01',
  '2024-03-01 12:30',
  '01/02/2024',
  '2024-03-01T12:30:00+05',
  'now',
  '12:30',
  '1 day',
  'infinity',
];
const WORDS = [
  'x',
  'X',
  'x ',
  '02134',
  'true',
  't',
  '{1,2}',
  '{"a": "x"}',
  '[1]',
  'sad',
  '1',
  '\\x4142',
  'a\\b',
  '$5.00',
];
/** Values with which any column might be compared, or to which it might be set. */
const ANY = [...NUMBERS, ...MOMENTS, ...WORDS];

/** Each column's type, and values that fit it. */
const COLUMNS: Record<string, [type: string, ...values: string[]]> = {
  n: ['int', '5', '02134'],
  small: ['smallint', '5'],
  big: ['bigint', '3000000000', '7'],
  num: ['numeric', '1.5', '02134'],
  r: ['real', '0.1', '16777217'],
  f: ['float8', '0.1', '1.5'],
  t: ['text', 'x', '02134', 'X'],
  c: ['char(5)', 'x', 'x '],
  v: ['varchar(10)', '02134', 'x '],
  d: ['date', '2024-03-01', '2024-03-01 12:30', '01/02/2024'],
  ts: ['timestamp', '2024-03-01 12:30', '2024-03-01T12:30:00+05'],
  tz: ['timestamptz', '2024-03-01 12:30', '2024-03-01T12:30:00+05'],
  tm: ['time', '12:30'],
  iv: ['interval', '1 day', '-1 2:03:04'],
  b: ['boolean', 'true', 't', '1'],
  j: ['jsonb', '{"a": "x"}', '[1]'],
  u: ['uuid', '00000000-0000-0000-0000-000000000001'],
  bin: ['bytea', '\\x4142', 'AB'],
  m: ['mood', 'sad'],
  p: ['positive', '7'],
  arr: ['int[]', '{1,2}'],
  tarr: ['text[]', '{x}', '{null}'],
  mon: ['money', '5.00', '$5.00'],
  range: ['int4range', '[1,3)'],
};
const TYPES = ['int', 'bigint', 'text', 'numeric', 'date', 'timestamptz', 'real', 'float8', 'varchar(20)', 'char(8)'];

const query = (text: string, ...lists: unknown[][]): Query => ({
  text,
  values: (random) => lists.map((list) => random.pick(list)),
});
const mostly = (fitting: unknown[]): unknown[] => [
  ...Array.from({ length: 60 }, () => fitting)
    .flat()
    .slice(0, 60),
  ...ANY,
];
const n = [0, 1, 2, 3];
const ids = [1, 2, 3, 4, '5'];

const READS: Query[] = [
  query('select id, v from things where v = $1 order by id', ANY),
  query('select count(*) as n from things where v > $1', ANY),
  query('select * from things where id = $1', ids),
  query('select t.*, i.t from things t join items i using (id) where t.id >= $1 order by 1', ids),
  query('with wanted as (select * from things where v = $1) select count(*) as n from wanted', ANY),
  query('select coalesce(v, $1) as v from things order by id', ANY),
  query('select id from things where v in ($1, $2) order by id limit $3', ANY, ANY, n),
  query('select v = any($1) as same from things order by id', ['{5,7}', '{x}', '{2024-03-01}']),
  query('select $1 as it', ANY),
  query('values ($1::int), ($2::int)', n, n),
  query("select j->>'a' as a from items where j->>'a' = $1", WORDS),
  query("select j #> '{b}' as b from items where t like '%' || $1 || '%' order by id", WORDS),
  ...Object.keys(COLUMNS).map((column) =>
    query(`select id, ${column}::text as it from items where ${column} = $1 order by id`, ANY),
  ),
];

/** Whose literals mean something else later, or under other settings. */
const LITERALS: Query[] = [
  query("select now() - 'now'::timestamptz < '3 ms' as young, $1::int as n", n),
  query('select now() - $$now$$::timestamptz < $tag$3 ms$tag$ as young, $1::int as n', n),
  query("select now() - timestamptz 'now' < interval '3 ms' as young, $1::int as n", n),
  query("select now() - cast(E'now' as timestamptz) < '3 ms' as young, $1::int as n", n),
  query("select now() - U&'n\\006Fw'::timestamptz < '3 ms' as young, $1::int as n", n),
  query("select count(*) as n from items where tz > 'now' and id = $1", ids),
  query("select '2024-03-01'::timestamptz = '2024-03-01 00:00+00'::timestamptz as utc, $1::int as n", n),
  query("select '01/02/2024'::date - '2024-01-01'::date as days, $1::int as n", n),
  query("select extract(epoch from interval '-1 2:03:04')::int as s, $1::int as n", n),
  query("select '\\x41'::bytea::text as t, $1::int as n", n),
  query("select 'a\\142'::text as t, $1::int as n", n),
  query('select (0.1::float8 + 0.2::float8)::text as t, $1::int as n', n),
  query('select $1::text = null as nil', WORDS),
  query("select 'things'::regclass::oid = to_regclass('public.things') as own, $1::int as n", n),
  query("select array_length('{null,a}'::text[], 1) as l, ('{null}'::text[])[1] is null as nil, $1::int as n", n),
  query("select nullif(current_setting('app.tenant', true), '') as tenant, $1::int as n", n),
  query('select tenant() as tenant, $1::int as n', n),
  query("select to_char(date '2024-03-01', 'Day') as day, $1::int as n", n),
];

const WRITES: Query[] = [
  query('insert into things (id, v) values ($1, $2)', ids, ANY),
  query('update things set v = $1 where id = $2', ANY, ids),
  query('delete from things where id = $1 returning *', ids),
  query(
    'with new as (insert into things (id, v) values ($1, $2) returning id) select count(*) as n from new',
    ids,
    ANY,
  ),
  query('select id from things where id = $1 for update', ids),
  query('insert into ages (young) select now() - $2::timestamptz < $3 and $1 > 0', n, ['now'], ['3 ms']),
  query("insert into ages (young) select now() - 'now'::timestamptz < '3 ms' where $1 >= 0", n),
  ...Object.entries(COLUMNS).map(([name, [, ...fitting]]) =>
    query(`insert into items (id, ${name}) values ($1, $2)`, [7, 8, 9], mostly(fitting)),
  ),
];

const ODD: Query[] = [
  query('', n),
  query(' -- nothing', n),
  query('select $1::int; select 2', n),
  query('select $1::int as n;', n),
  query('select 1 / $1::int as it', n),
  query('select * from nowhere where id = $1', ids),
  query('select lower($1) as l, length($2) as n', WORDS, WORDS),
  query("select nextval('counter')::int as n, $1::int as m", n),
];

/** Settings, and what they are set to. */
const SETTINGS: Record<string, string[]> = {
  timezone: ["'UTC'", "'Asia/Tokyo'", "'America/New_York'"],
  datestyle: ["'ISO, MDY'", "'ISO, DMY'", "'German'"],
  intervalstyle: ['postgres', 'sql_standard', 'iso_8601'],
  search_path: ['a', 'b', 'b, public', '"$user", public', "''"],
  transform_null_equals: ['on', 'off'],
  bytea_output: ['hex', 'escape'],
  extra_float_digits: ['1', '-4', '3'],
  array_nulls: ['on', 'off'],
  standard_conforming_strings: ['on', 'off'],
  'app.tenant': ["'one'", "'two'"],
  statement_timeout: ["'10s'"],
};

function setting(random: Random): [string, string] {
  const name = random.pick(Object.keys(SETTINGS));
  return [name, random.pick(SETTINGS[name]!)];
}

const run = (text: string, values?: unknown[]): Step =>
  values ? { do: 'query', text, values } : { do: 'query', text };

/** A change of the session until its transaction ends. */
function local(random: Random): Step {
  const [name, value] = setting(random);
  return random.pick<() => Step>([
    () => run(`set local ${name} = ${value}`),
    () => run(`SET /* here */ LOCAL ${name} TO ${value}`),
    () => run('select set_config($1, $2, true)', [name, value.replaceAll("'", '')]),
    () => run(`set local role ${random.pick(['ta', 'tb', 'none'])}`),
    () => run('savepoint one'),
    () => run('create temp table things (id int, v numeric) on commit drop'),
  ])();
}

/** A change of the session for longer. */
function lasting(random: Random): Step {
  const [name, value] = setting(random);
  return random.pick<() => Step>([
    () => run(`set ${name} = ${value}`),
    () => run(`set session ${name} to ${value}`),
    () => run(`reset ${name}`),
    () => run('reset all'),
    () => run(`select set_config('${name}', $1, false)`, [value.replaceAll("'", '')]),
    () => run(`set role ${random.pick(['ta', 'tb'])}`),
    () => run('reset role'),
    () => run('discard all'),
    () => run('deallocate all'),
    () => run('discard temp'),
    () => run('select go($1)', [random.pick(['a', 'b', 'public'])]),
    () => run(`do $$ begin perform set_config('search_path', '${random.pick(['a', 'b'])}', false); end $$`),
    () => run(`call went('${random.pick(['a', 'b'])}')`),
  ])();
}

/** A change of tables, in this session. */
function change(random: Random): Step {
  const type = random.pick(TYPES);
  return random.pick<() => Step>([
    () =>
      run(
        `create temp table things as select 1 as id, $$5$$::${type === 'date' || type === 'timestamptz' ? 'text' : type} as v`,
      ),
    () => run('select 1 as id, 7 as v into temp things'),
    () => run('select shadow()'),
    () => run('do $$ begin create temp table if not exists things (id int, v text); end $$'),
    () => run('drop table if exists pg_temp.things'),
    () => run(`alter table a.things alter v type ${type} using v::text::${type}`),
    () => run(`alter table public.things alter v type ${type} using v::text::${type}`),
    () => run('alter table things add column extra int'),
    () => run('alter table things rename column extra to more'),
    () => run('drop table a.things; create table a.things (id int, v bigint); grant all on a.things to ta, tb'),
    () => run("alter type mood add value if not exists 'glad'"),
  ])();
}

function changeElsewhere(random: Random): Step[] {
  const type = random.pick(TYPES);
  const text = random.pick([
    `alter table public.things alter v type ${type} using v::text::${type}`,
    `alter table a.things alter v type ${type} using v::text::${type}`,
    'alter table public.things add column extra text',
    'create table if not exists a.items (like public.items)',
    'drop table b.things',
    'create or replace function public.tenant() returns text immutable language sql as $$ select $x$else$x$::text $$',
    'alter table items alter n type bigint; alter table items alter big type int',
  ]);
  return [
    { do: 'elsewhere', text },
    { do: 'wait', forMs: 2_200 },
  ];
}

function write(random: Random, host: Host): Script {
  const pool = [...READS, ...READS, ...LITERALS, ...LITERALS, ...WRITES, ...ODD];
  const queries = Array.from({ length: 2 + random.below(3) }, () => random.pick(pool));
  // Most of them leave the tables as they are: those that do not cost new ones.
  const changes = random.chance(0.25);
  // A stock pool closes a connection over an error, and with it what its session has: only who holds one has it for longer than a transaction.
  const wide = host !== 'prisma' && random.chance(0.7);
  const runs = (most: number): Step[] => {
    const { text, values } = random.pick(queries);
    return Array.from({ length: 1 + random.below(most) }, () => run(text, values(random)));
  };
  const inTransaction = (): Step[] => {
    if (random.chance(0.6)) return runs(4);
    return [changes && wide && random.chance(0.3) ? change(random) : local(random)];
  };
  const block = (): Step[] => {
    const roll = random.next();
    if (roll < 0.45) return runs(6);
    if (roll < 0.55) return [{ do: 'wait', forMs: 4 }];
    if (roll < 0.8 || !wide) {
      const steps = Array.from({ length: 2 + random.below(4) }, inTransaction).flat();
      return [{ do: 'transaction', steps, end: random.chance(0.7) ? 'commit' : 'rollback' }];
    }
    return [changes && random.chance(0.4) ? change(random) : lasting(random)];
  };
  const steps = Array.from({ length: 10 + random.below(15) }, block).flat();
  if (changes && random.chance(0.5)) steps.splice(random.below(steps.length), 0, ...changeElsewhere(random));
  return {
    steps: wide ? [{ do: 'session', steps }] : steps,
    connections: 1,
    policy: { prepareThreshold: random.pick([1, 1, 2, 5]), statements: random.pick([100, 100, 2]) },
  };
}

const columns = Object.entries(COLUMNS).map(([name, [type]]) => `${name} ${type}`);

export const statements: Kind = {
  name: 'statements',
  hosts: HOSTS,
  cluster: `do $$ begin create role ta; create role tb; grant ta, tb to app; exception when duplicate_object then null; end $$`,
  schema: `
    set role app;
    create type mood as enum ('sad', 'happy');
    create domain positive as int check (value > 0);
    create schema a; create schema b; create schema ta; create schema tb;
    create table items (id int, ${columns.join(', ')});
    create table things (id int, v date);
    create table a.things (id int, v int);
    create table b.things (id int, v text);
    create table ta.things (id int, v numeric);
    create table tb.things (id int, v text);
    create table ages (young bool);
    create sequence counter;
    grant usage, create on schema public, a, b, ta, tb to ta, tb;
    grant all on items, things, a.things, b.things, ta.things, tb.things, ages to ta, tb;
    create function tenant() returns text immutable language sql as $$ select nullif(current_setting('app.tenant', true), '') $$;
    create function go(path text) returns text language sql as $$ select set_config('search_path', path, false) $$;
    create procedure went(path text) language sql as $$ select set_config('search_path', path, false) $$;
    create function shadow() returns void language plpgsql as
      $$ begin create temp table if not exists things (id int, v text); insert into things values (1, '02134'); end $$;`,
  data: `
    delete from items; delete from things; delete from a.things; delete from b.things; delete from ta.things; delete from tb.things; delete from ages;
    insert into items (id, n, big, num, r, f, t, c, v, d, ts, tz, tm, iv, b, j, u, bin, m, p, arr, tarr, mon)
      select i, i, 3000000000, 1.5, 0.1, 0.1, 'x', 'x', '02134', '2024-03-01', '2024-03-01 12:30', '2024-03-01 12:30+00', '12:30', '1 day', true,
        '{"a": "x", "b": [1]}', '00000000-0000-0000-0000-000000000001', 'AB', 'sad', 7, '{1,2}', '{x}', '5.00' from generate_series(1, 3) i;
    insert into things values (1, '2024-03-01'), (2, '2024-02-01'), (3, null);
    insert into a.things values (1, 5), (2, 7), (3, 2134);
    insert into b.things values (1, '5'), (2, '02134'), (3, 'x');
    insert into ta.things values (1, 5), (2, 1.5);
    insert into tb.things values (1, '02134'), (2, 'X')`,
  write,
  checkStats(all: readonly PoolStats[]) {
    const hits = all.map(({ statements }) => (statements as { hits: number }).hits);
    expect(hits.filter((count) => count > 0).length / hits.length).toBeGreaterThan(0.2);
  },
};
