import { describe, expect, it } from 'vitest';
import { Book, type Statement } from '../../../packages/core/src/postgres/statements/book.js';
import { keyOf, nameOf } from '../../../packages/core/src/postgres/statements/names.js';

function used(book: Book, text: string, times: number, threshold = 1): Statement | undefined {
  let statement: Statement | undefined;
  for (let use = 0; use < times; use++) statement = book.use(text, threshold);
  return statement;
}

describe('A text', () => {
  it('becomes a statement at the use whose number is the threshold, and stays it', () => {
    const book = new Book(10);
    expect(used(book, 'a', 4, 5)).toBe(undefined);
    const statement = book.use('a', 5);
    expect(statement).toEqual({ name: nameOf('a') });
    expect(book.use('a', 5)).toBe(statement);
    expect(book.use('b', 5)).toBe(undefined);
  });

  it('is counted for pools of different thresholds alike', () => {
    const book = new Book(10);
    expect(used(book, 'a', 2, 3)).toBe(undefined);
    expect(book.use('a', 2)).toEqual({ name: nameOf('a') });
  });

  it('is another statement, of the same name, once the server would not run the old one', () => {
    const book = new Book(10);
    const old = used(book, 'a', 1)!;
    book.renew('a', old);
    const renewed = book.use('a', 1);
    expect(renewed).not.toBe(old);
    expect(renewed).toEqual(old);
  });

  it('is another statement when that happened to another text: what has changed for one may have changed for all', () => {
    const book = new Book(10);
    const old = used(book, 'a', 1)!;
    book.renew('b', used(book, 'b', 1)!);
    expect(book.use('a', 1)).not.toBe(old);
    expect(book.use('a', 1)).toEqual(old);
  });

  it('is renewed once for one change, however many queries were under way', () => {
    const book = new Book(10);
    const old = used(book, 'a', 1)!;
    for (let query = 0; query < 10; query++) book.renew('a', old);
    const renewed = book.use('a', 1);
    for (let query = 0; query < 10; query++) book.renew('a', old);
    expect(book.use('a', 1)).toBe(renewed);
  });

  it('is left alone when it has been renewed more than three times', () => {
    const book = new Book(10);
    for (let change = 0; change < 4; change++) book.renew('a', used(book, 'a', 1)!);
    expect(used(book, 'a', 100)).toBe(undefined);
  });

  it('is another statement after tables have changed, as often as that may be', () => {
    const book = new Book(10);
    for (let change = 0; change < 10; change++) {
      const old = used(book, 'a', 1);
      book.renewAll();
      expect(book.use('a', 1)).not.toBe(old);
      expect(book.use('a', 1)).toEqual(old);
    }
  });
});

describe('The book', () => {
  it('stays within two generations, whatever passes through', () => {
    const book = new Book(100);
    for (let n = 0; n < 5_000; n++) book.use(`select ${n}`, 5);
    expect(book.texts).toBeLessThanOrEqual(200);
    expect(book.texts).toBeGreaterThanOrEqual(100);
  });

  it('keeps what is used again among thousands of texts that are not', () => {
    const book = new Book(100);
    const statement = book.use('hot', 1);
    for (let n = 0; n < 5_000; n++) {
      book.use(`select ${n}`, 5);
      if (n % 50 === 0) expect(book.use('hot', 1)).toBe(statement);
    }
  });

  it('forgets what is not used any more', () => {
    const book = new Book(10);
    used(book, 'a', 4, 5);
    for (let n = 0; n < 30; n++) book.use(`select ${n}`, 5);
    expect(book.use('a', 5)).toBe(undefined);
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
