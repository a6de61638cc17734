import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const rows = Array.from(read('docs/glossary.md').matchAll(/^\| ([^|]+) \| ([^|]+) \|(?: ([^|]+) \|)?$/gm))
  .map(([, term, meaning, reason]) => ({ term: term!, meaning: meaning!, reason }))
  .filter(({ term }) => term !== 'term' && term !== '---');

describe('the glossary', () => {
  it('has at most 40 terms, each of them once', () => {
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.length).toBeLessThanOrEqual(40);
    expect(new Set(rows.map(({ term }) => term)).size).toBe(rows.length);
  });

  it.each(rows)('has one sentence for $term', ({ meaning, reason }) => {
    for (const sentence of [meaning, reason ?? meaning]) expect(sentence.match(/[.!?](?= |$)/g)).toEqual(['.']);
  });

  it('is linked where the work on Tenure is described', () => {
    expect(read('CONTRIBUTING.md')).toContain('(docs/glossary.md)');
  });
});
