import { describe, expect, it } from 'vitest';
import {
  copyOfValues,
  isSharedText,
  Quantile,
  ShortRead,
} from '../../../packages/core/src/postgres/pipeline/shortRead.js';
import { readText } from '../../../packages/core/src/postgres/statements/text.js';

const isShared = (text: string) => isSharedText(text, readText(text));

describe('A text may be sent on a connection that others use', () => {
  it.each([
    'select * from t where id = $1',
    'SELECT a, count(*) FROM t JOIN u USING (id) WHERE b = $1 GROUP BY a',
    'with a as (select * from t where id = $1) select * from a',
    'select "update", "into" from t where id = $1',
    'select * from t where id = $1 order by lower(name) limit $2',
    'values ($1::int)',
    'select * from t where id = any($1)',
  ])('if it only reads: %s', (text) => {
    expect(isShared(text)).toBe(true);
  });

  it.each([
    'insert into t values ($1)',
    'update t set a = $1',
    'delete from t where id = $1',
    'with a as (update t set a = $1 returning *) select * from a',
    'with a as (delete from t where id = $1 returning *) select * from a',
    'merge into t using u on t.id = u.id when matched then update set a = $1',
    'select * from t where id = $1 for update',
    'select * from t where id = $1 for no key update',
    'select * from t where id = $1 for share',
    'select * from t where id = $1 for key share',
    'select * from t where id = $1 FOR UPDATE SKIP LOCKED',
    'select * into u from t where id = $1',
    'select 1 where 1 = $1; select 2',
    'begin',
    'set search_path = a',
    'call p($1)',
    'copy t to stdout',
    'explain analyze select * from t where id = $1',
    'select pg_sleep($1)',
    'select pg_catalog.pg_sleep($1)',
    'select pg_sleep_for($1)',
    'select "pg_sleep"($1)',
    'select pg_advisory_lock($1)',
    'select pg_try_advisory_xact_lock($1)',
    'select nextval($1)',
    'select setval($1, 1)',
    'select currval($1)',
    'select lastval(), $1',
    'select set_config($1, $2, false)',
    'select dblink($1)',
    'select pg_notify($1, $2)',
    'select pg_export_snapshot(), $1',
    'select lo_get($1)',
    'select pg_cancel_backend($1)',
    'select pg_terminate_backend($1)',
    'select my_function($1)',
    'select other.lower($1)',
  ])('not if it may do more, or wait: %s', (text) => {
    expect(isShared(text)).toBe(false);
  });
});

describe('Parameters', () => {
  it('are copied where pg can serialise them', () => {
    const list = [1, 'a', null];
    const date = new Date();
    const copy = copyOfValues(['a', 1, 1n, true, null, undefined, date, Buffer.from('b'), list]);
    list.push('later');
    expect(copy).toEqual(['a', 1, 1n, true, null, undefined, date, Buffer.from('b'), [1, 'a', null]]);
  });

  it.each([
    ['an object, whose toJSON or toPostgres may throw', { a: 1n }],
    ['a list of objects', [{ a: 1 }]],
    ['a list of lists', [[1]]],
    ['a symbol', Symbol('a')],
    ['a function', () => 1],
    ['a long text', 'a'.repeat(10_000)],
    ['a long buffer', Buffer.alloc(10_000)],
    ['a long list', Array.from({ length: 2_000 }, () => 1)],
  ])('keep a query from sharing: %s', (_, value) => {
    expect(copyOfValues([1, value])).toBeUndefined();
  });
});

describe('A read', () => {
  const readAfter = (
    ...runs: readonly (readonly [times: number, ms: number, bytes?: number, isBehind?: boolean])[]
  ) => {
    const read = new ShortRead(new Quantile(0.5, 0.01));
    for (const [times, ms, bytes = 100, isBehind] of runs) {
      for (let n = 0; n < times; n++) read.noteRun(ms, bytes, isBehind);
    }
    return read;
  };

  it.each([
    ['before twenty runs', false, readAfter([19, 0.2])],
    ['after twenty short runs', true, readAfter([20, 0.2])],
    ['with long runs', false, readAfter([200, 12])],
    ['with one long run among the first twenty', false, readAfter([10, 0.2], [1, 30], [9, 0.2])],
    ['with large answers', false, readAfter([200, 0.2, 100_000])],
    ['that became long', false, readAfter([200, 0.2], [100, 30])],
    ['that became large', false, readAfter([200, 0.2], [100, 0.2, 100_000])],
    ['that was long and became short', true, readAfter([200, 12], [500, 0.2])],
    ['after one run far above its usual time', false, readAfter([200, 0.2], [1, 30])],
    ['99 runs after that', false, readAfter([200, 0.2], [1, 30], [98, 0.2])],
    ['a hundred runs after that', true, readAfter([200, 0.2], [1, 30], [100, 0.2])],
    ['that takes longer, where all reads do,', true, readAfter([200, 1.5], [2_000, 3])],
    ['behind others, whatever its answer seems to take,', false, readAfter([200, 12], [500, 0, 100, true])],
    ['at the edge, once it is short', true, readAfter([100, 1.9], [50, 2.1])],
  ] as const)('%s is short: %s', (_, isShort, read) => {
    expect(read.isShort).toBe(isShort);
  });

  it('has as usual time what 95 of 100 runs do not exceed, about', () => {
    const read = new ShortRead(new Quantile(0.5, 0.01));
    for (let n = 0; n < 5_000; n++) read.noteRun(n % 100 < 90 ? 0.1 : 1, 100);
    expect(read.usualMs).toBeGreaterThan(0.5);
    expect(read.usualMs).toBeLessThanOrEqual(1.01);
  });
});
