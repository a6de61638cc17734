import fc from 'fast-check';
import { expect, it } from 'vitest';
import { masked } from '../../../packages/doctor/src/server/mask.js';

it.each([
  ["select * from users where email = 'a@b.c' and age > 42", 'select * from users where email = ? and age > ?'],
  ["alter role me password 'geheim''s'", 'alter role me password ?'],
  ["select E'it\\'s geheim', b'1', N'x'", 'select ?, ?, ?'],
  ['select $$geheim$$, $tag$geheim $$ $tag$', 'select ?, ?'],
  ["insert into t values ('cut off gehei", 'insert into t values (?'],
  ['select 1 /* geheim */ -- geheim', 'select ?'],
  ['select * from t1 where id = $1 and "col2" = $2', 'select * from t1 where id = $1 and "col2" = $2'],
  ['select\n  1.5,\t-2', 'select ?, -?'],
  ['', ''],
])('%j is kept as %j', (statement, kept) => {
  expect(masked(statement)).toBe(kept);
});

it('keeps no literal, wherever the statement is cut off', () => {
  const literal = fc.string({ unit: fc.constantFrom('z', "''", ' ', '-', '/*', '$$') });
  fc.assert(
    fc.property(literal, fc.nat(80), (text, length) => {
      const statement = `select * from a where b = '${text.replaceAll("'", "''")}' and c = 'zzz'`;
      expect(masked(statement.slice(0, length))).not.toContain('z');
    }),
  );
});

it('is short', () => {
  expect(masked(`select ${'a, '.repeat(500)}`)).toHaveLength(120);
});
