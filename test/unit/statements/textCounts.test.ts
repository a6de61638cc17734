import { describe, expect, it } from 'vitest';
import { keyOf, nameOf, TextCounts } from '../../../packages/core/src/postgres/statements/cache.js';

const A = 'select $1';

describe('A text', () => {
  it('is known by what it is, and is one statement for all who ask', () => {
    const book = new TextCounts(10);
    const known = book.get(A);
    expect(known.facts).toEqual({ kind: 'read', effect: 0 });
    expect(book.get(A)).toBe(known);
    expect(known.statementFor(A)).toEqual({ name: nameOf(A) });
    expect(known.statementFor(A)).toBe(known.statementFor(A));
  });

  it('is another statement, of the same name, after tables have changed, as often as that may be', () => {
    const book = new TextCounts(10);
    for (let change = 0; change < 10; change++) {
      const old = book.get(A).statementFor(A);
      book.expireAll();
      expect(book.get(A).statementFor(A)).not.toBe(old);
      expect(book.get(A).statementFor(A)).toEqual(old);
    }
  });

  it('is refused once for one change, however many queries were under way', () => {
    const book = new TextCounts(10);
    const known = book.get(A);
    const old = known.statementFor(A)!;
    expect(known.noteRefusal(old)).toBe(true);
    book.expireAll();
    for (let query = 0; query < 10; query++) expect(known.noteRefusal(old)).toBe(false);
    expect(known.statementFor(A)).toEqual(old);
  });

  it('is left alone when the server has refused it more than three times', () => {
    const book = new TextCounts(10);
    const known = book.get(A);
    for (let change = 0; change < 4; change++) {
      known.noteRefusal(known.statementFor(A)!);
      book.expireAll();
    }
    expect(known.statementFor(A)).toBe(undefined);
  });

  it('whose parameters had types that do not do may have others after tables have changed; a slower one stays slower', () => {
    const book = new TextCounts(10);
    book.get(A).unfit = 'parameters';
    book.get('select 2').unfit = 'slower';
    book.expireAll();
    expect([book.get(A).unfit, book.get('select 2').unfit]).toEqual([undefined, 'slower']);
  });
});

describe('The book', () => {
  it('stays within two generations, whatever passes through', () => {
    const book = new TextCounts(100);
    for (let n = 0; n < 5_000; n++) book.get(`select ${n}`);
    expect(book.texts).toBeLessThanOrEqual(200);
    expect(book.texts).toBeGreaterThanOrEqual(100);
  });

  it('keeps what is used again among thousands of texts that are not', () => {
    const book = new TextCounts(100);
    const known = book.get('hot');
    for (let n = 0; n < 5_000; n++) {
      book.get(`select ${n}`);
      if (n % 50 === 0) expect(book.get('hot')).toBe(known);
    }
  });

  it('forgets what is not used any more', () => {
    const book = new TextCounts(10);
    const known = book.get(A);
    for (let n = 0; n < 30; n++) book.get(`select ${n}`);
    expect(book.get(A)).not.toBe(known);
  });
});

describe('A name', () => {
  it('is that of the text, short enough for the server, and not that of another text', () => {
    expect(nameOf('select 1')).toBe(nameOf('select 1'));
    expect(nameOf('select 1')).not.toBe(nameOf('select 2'));
    expect(nameOf('x'.repeat(1_000_000))).toMatch(/^tenure_[0-9a-f]{24}$/);
  });
});

describe('What a text is recognised by', () => {
  it('is the text, or of a very long one its hash', () => {
    expect(keyOf('select 1')).toBe('select 1');
    const long = 'x'.repeat(100_000);
    expect(keyOf(long)).toHaveLength(64);
    expect(keyOf(long)).toBe(keyOf('x'.repeat(100_000)));
    expect(keyOf(long)).not.toBe(keyOf(`${long}y`));
  });
});
