import { describe, expect, it } from 'vitest';
import type { PgClient } from '../../../packages/core/src/postgres/pgTypes.js';
import { SchemaWatch, schemaWatchOf } from '../../../packages/core/src/postgres/statements/schemaWatch.js';

const SECOND = 1_000;
const TEXT = 'select $1';

/** A look that takes a millisecond. */
function look(catalog: SchemaWatch, at: number, sign: string, tookMs = 1): boolean {
  catalog.checkSent(at);
  return catalog.checkAnswered(sign, at, at + tookMs);
}

describe('A catalog', () => {
  it('is looked at before the first statement, and once a second at most from then on', () => {
    const catalog = new SchemaWatch();
    expect(catalog.isTrusted(0)).toBe(false);
    expect(catalog.requestCheck(0)).toBe(true);
    look(catalog, 0, 'a');
    expect(catalog.isTrusted(1)).toBe(true);
    expect(catalog.requestCheck(SECOND - 1)).toBe(false);
    expect(catalog.requestCheck(SECOND)).toBe(true);
    catalog.checkSent(SECOND);
    expect(catalog.requestCheck(SECOND)).toBe(false);
  });

  it('is not trusted two seconds after the last look was sent, whenever that was answered', () => {
    const catalog = new SchemaWatch();
    look(catalog, 0, 'a', 500);
    expect(catalog.isTrusted(2 * SECOND - 1)).toBe(true);
    expect(catalog.isTrusted(2 * SECOND)).toBe(false);
  });

  it('of a standby is never trusted, whose replay moves no counter; one that is promoted has all statements renewed', () => {
    const catalog = new SchemaWatch();
    look(catalog, 0, 'standby');
    expect(catalog.isTrusted(1)).toBe(false);
    expect(catalog.requestCheck(SECOND)).toBe(true);
    expect(look(catalog, SECOND, 'a')).toBe(true);
    expect(catalog.isTrusted(SECOND + 1)).toBe(true);
  });

  it('renews all statements when the sign is another one', () => {
    const catalog = new SchemaWatch();
    look(catalog, 0, 'a');
    const statement = catalog.texts.get(TEXT).statementFor(TEXT);
    expect(look(catalog, SECOND, 'a')).toBe(false);
    expect(catalog.texts.get(TEXT).statementFor(TEXT)).toBe(statement);
    expect(look(catalog, 2 * SECOND, 'b')).toBe(true);
    expect(catalog.texts.get(TEXT).statementFor(TEXT)).not.toBe(statement);
    expect(catalog.isTrusted(2 * SECOND + 1)).toBe(true);
  });

  it('is not looked at for the first query after a long silence', () => {
    const catalog = new SchemaWatch();
    catalog.requestCheck(0);
    look(catalog, 0, 'a');
    expect(catalog.requestCheck(60 * SECOND)).toBe(false);
    expect(catalog.requestCheck(61 * SECOND)).toBe(true);
  });

  it('that must be scanned is looked at so seldom that it costs a thousandth of a core', () => {
    const catalog = new SchemaWatch();
    look(catalog, 0, 'scan,1', 4);
    catalog.requestCheck(0);
    expect(catalog.requestCheck(4 * SECOND - 1)).toBe(false);
    expect(catalog.requestCheck(4 * SECOND)).toBe(true);
    expect(catalog.isTrusted(5 * SECOND - 1)).toBe(true);
  });

  it('that changes all the time rests, longer and longer, up to a minute, until preparing pays again', () => {
    const catalog = new SchemaWatch();
    let now = 0;
    const rests: number[] = [];
    for (let change = 0; change < 9; change++) {
      for (let n = 0; n < 100; n++) catalog.reuse.notePreparedAgain();
      catalog.schemaChanged(now);
      const began = now;
      while (catalog.isResting(now)) now += SECOND / 2;
      rests.push((now - began) / SECOND);
    }
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    for (let n = 0; n < 100; n++) catalog.reuse.notePreparedAgain();
    for (let n = 0; n < 200; n++) catalog.reuse.noteUse();
    catalog.schemaChanged(now);
    expect(catalog.isResting(now)).toBe(false);
  });

  it('does not rest over a few changes', () => {
    const catalog = new SchemaWatch();
    for (let now = 0; now < 50 * SECOND; now += SECOND) {
      catalog.reuse.notePreparedAgain();
      catalog.schemaChanged(now);
      expect(catalog.isResting(now)).toBe(false);
    }
  });

  it('is one for all clients of a database', () => {
    const client = (database: string) => ({ host: 'a', port: 1, database }) as unknown as PgClient;
    expect(schemaWatchOf(client('x'))).toBe(schemaWatchOf(client('x')));
    expect(schemaWatchOf(client('x'))).not.toBe(schemaWatchOf(client('y')));
  });
});
