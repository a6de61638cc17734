import { expect, it } from 'vitest';
import { leavesNothing } from '../../packages/core/src/postgres/pool/query.js';

it.each([
  'insert into shops values ($1)',
  'INSERT INTO "public"."User" ("email", "name") VALUES ($1, $2) RETURNING "public"."User"."id"',
  'insert into a as b (c) values ($1) on conflict (c) do update set (c, d) = (1, 2)',
  'with a (x) as (select 1) insert into b (y) select x from a',
  'select count(*), coalesce(max(id), 0) from t where a in ($1, $2) and (b or not (c)) limit 1;',
  `select 'pg_advisory_lock(1)' -- lock(1)`,
  'update t set a = lower($1) where id = any($2)',
])('nothing can be left of %s', (text) => {
  expect(leavesNothing(text)).toBe(true);
  expect(leavesNothing({ text })).toBe(true);
});

it.each([
  'select pg_advisory_lock(1), 1/0',
  'select my.own(1)',
  'select "own"(1)',
  `set work_mem = '7MB'`,
  'begin',
  'do $$ begin commit; end $$',
  'call job()',
  'select 1; set x = 1',
  'select * into made from t',
  'with a as (select 1) select * into made from a',
  'create temp table t (a int)',
  'prepare p as select 1',
  `select E'\\' || own() || '\\''`,
  'select /* /* nested */ own() */ 1',
  'listen news',
  '',
])('something may be left of %s', (text) => {
  expect(leavesNothing(text)).toBe(false);
});

it.each([undefined, null, 1, { name: 'prepared' }, { text: 'select 1', submit() {} }])(
  'and of what is no text: %s',
  (query) => {
    expect(leavesNothing(query)).toBe(false);
  },
);
