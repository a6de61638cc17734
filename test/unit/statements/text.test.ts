import { describe, expect, it } from 'vitest';
import { Effect, readText } from '../../../packages/core/src/postgres/statements/text.js';

const kindOf = (text: string) => readText(text).kind;
const effectOf = (text: string) => readText(text).effect;

describe('A read', () => {
  it.each([
    'select * from t where id = $1',
    'SELECT 1;',
    '  -- first\n/* a /* nested */ comment */ select $1',
    '((select 1) union all (select $1))',
    'with a (n) as (select 1), b as (select 2) select * from a, b',
    'values ($1), ($2)',
    'table t',
    'select count(*), max(a), lower(b), pg_catalog.upper(c) from t as x (a, b, c) where d in ($1, $2)',
    'select coalesce(a, $1)::numeric(10, 2), cast(b as varchar(3)) from t where exists (select 1)',
    'select "update", "into" from "delete" where "f" in ($1)',
    'select a from t order by a desc nulls last limit $1 offset $2',
    'select rank() over (partition by a order by b), sum(c) filter (where d) from t group by grouping sets ((a), (b))',
    'select * from unnest($1::int[]) with ordinality as u (a, n)',
    'select ST_Distance(a, b) from places',
    'select substring(a from 2 for $1), extract(year from b), position($2 in c) from t',
    'select 1 where a = $1 and $2 = any (b)',
  ])('is %s', (text) => {
    expect(readText(text)).toEqual({ kind: 'read', effect: Effect.none });
  });
});

describe('A literal', () => {
  it.each([
    "select 'now'::timestamptz",
    "select * from t where at > 'today'",
    "select date '2024-01-01'",
    "select interval '1 day'",
    "select E'now'::timestamptz",
    "select e'no\\'w'",
    "select U&'n\\006Fw'",
    "select N'now'",
    "select B'1'",
    "select x'1F'",
    'select $$now$$::timestamptz',
    'select $tag$now$tag$',
    "select 'a' 'b'",
    "select ''\n'now'::date",
    "select '\\x41'::bytea",
    "select '\\'",
    "select '$'::money",
    "select 'things'::regclass",
    "select a -> b || 'now'",
  ])('that may mean something else later keeps it from being prepared: %s', (text) => {
    expect(kindOf(text)).toBe('literal');
  });

  it.each([
    "select '' || $1",
    "select a like '%' || $1 || '%'",
    'select a || $$, $$ || b',
    "select a->'now', a ->> 'now', a #> '{now}', a#>>'{now,1}'",
    "select '{}'::int[], '[]'::jsonb",
  ])('that means itself, or a key, does not: %s', (text) => {
    expect(kindOf(text)).toBe('read');
  });

  it('hides what stands in it', () => {
    expect(readText("select 'it''s; set x = f(1)', E'\\'; drop table t', $a$ $b$ do $a$, \"a\"\"(\" from t")).toEqual({
      kind: 'literal',
      effect: Effect.none,
    });
  });
});

describe('No read', () => {
  it.each([
    ['insert into t (a, b) values ($1, $2)', 'write'],
    ['INSERT INTO "public"."Post" ("title") VALUES ($1) RETURNING "public"."Post"."id"', 'write'],
    ['update t set a = $1', 'write'],
    ['delete from t where a = $1', 'write'],
    ['merge into t using s on (a = b) when matched then delete', 'write'],
    ['with new as (insert into t values ($1) returning *) select * from new', 'write'],
    ['select * from t where a = $1 for update skip locked', 'write'],
    ['select * from t for no key update', 'write'],
    ['select * from t for share', 'write'],
    ['select * from t for key share', 'write'],
    ["insert into t values ($1, 'now')", 'literal'],
    ['select nextval($1)', 'write'],
    ['select 1 into t', 'command'],
    ['select 1 into temp t', 'command'],
    ['select 1; select 2', 'command'],
    ['', 'command'],
    ['-- nothing', 'command'],
    [';', 'command'],
    ['begin', 'command'],
    ['explain select 1', 'command'],
    ['select mine($1)', 'function'],
    ['select "lower"($1), "mine" ($1)', 'function'],
    ['select app.lower($1)', 'function'],
    ['select /* x */ mine /* y */ ($1)', 'function'],
    ['select * from mine($1)', 'function'],
    ['select set_config($1, $2, true)', 'function'],
  ])('is %s', (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });
});

describe('What a text may change', () => {
  const { none, transaction, settings, session, schema } = Effect;
  it.each([
    ['set local search_path = a', transaction],
    ['SET /* here */ LOCAL role TO a', transaction],
    ['select set_config($1, $2, true)', transaction],
    ["with x as (select pg_catalog.set_config('a.b', lower(($1)), TRUE)) select 1", transaction],
    ['begin; set local timezone = utc; select 1', transaction],
    ['set search_path = a', settings],
    ['set session timezone to utc', settings],
    ['set time zone utc', settings],
    ['set role a', settings],
    ['set session authorization a', settings],
    ['reset all', settings],
    ['select 1; reset role', settings],
    ['select set_config($1, $2, false)', settings],
    ['select set_config($1, $2, $3)', settings],
    ['discard all', session],
    ['discard temp', session],
    ['deallocate all', session],
    ['do $$ begin end $$', session],
    ['call mine()', session],
    ['execute prepared', session],
    ['load $$x$$', session],
    ['select mine()', session],
    ['insert into t values (mine($1))', session],
    ['create temp table t (a int)', session],
    ['create or replace temporary view v as select 1', session],
    ['create local temp table t ()', session],
    ['select 1 into temp t', session],
    ['explain analyze create table t as select 1', session],
    ['something new', session],
    ['create table t ()', schema],
    ['create schema s', schema],
    ['alter table t add a int', schema],
    ['drop table t', schema],
    ['grant usage on schema s to a', schema],
    ['security label on table t is null', schema],
    ['select 1 into "temp"', schema],
    ['commit prepared $$x$$', schema],
    ['prepare transaction $$x$$', schema],
    ['set local search_path = a; create table t (a int)', transaction | schema],
  ])('%s', (text, effect) => {
    expect(effectOf(text)).toBe(effect);
  });

  it.each([
    ...[
      'begin isolation level serializable',
      'commit',
      'rollback to a',
      'savepoint a',
      'set transaction read only',
      'set constraints all deferred',
    ],
    ...[
      'set statement_timeout = 5',
      'set local lock_timeout to 5',
      'reset statement_timeout',
      'set session characteristics as transaction read only',
    ],
    ...[
      'listen a',
      'notify a',
      'copy t from stdin',
      'lock table t',
      'declare c cursor for select 1',
      'fetch all from c',
      'show all',
      'truncate t',
    ],
    ...[
      'discard plans',
      'prepare p as select 1',
      'vacuum analyze t',
      'select nextval($1), pg_advisory_lock($2)',
      'with t (a) as (values (1)) table t',
    ],
  ])('nothing: %s', (text) => {
    expect(effectOf(text)).toBe(none);
  });

  it('cannot be told of a text that is too long to read', () => {
    expect(readText(`select ${'1, '.repeat(500_000)} 1`)).toEqual({ kind: 'size', effect: session });
  });
});

describe('Any text', () => {
  it.each([
    "select '",
    'select "',
    "select E'\\",
    'select $a$',
    'select /* /* */',
    'select $',
    '\0',
    '🙂 ünïcödé',
    '(((',
    ')))',
    'u&',
    'select 1.',
    '.5e3',
  ])('is read to its end: %j', (text) => {
    expect(() => readText(text)).not.toThrow();
  });
});
