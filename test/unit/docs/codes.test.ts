import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const errors = read('packages/core/src/errors.ts');
const warnings = read('packages/core/src/pool/messages.ts');

it.each(['README.md', 'packages/core/README.md'])('%s has each code of an error', (document) => {
  const codes = codesIn(errors);
  expect(codes.length).toBeGreaterThanOrEqual(8);
  expect(codes.filter((code) => !read(document).includes(`\`${code}\``))).toEqual([]);
});

it('docs/observability.md has each code of a warning', () => {
  const codes = codesIn(warnings);
  expect(codes.length).toBeGreaterThanOrEqual(5);
  expect(codes.filter((code) => !read('docs/observability.md').includes(`\`${code}\``))).toEqual([]);
});

function codesIn(source: string): string[] {
  return [...new Set(Array.from(source.matchAll(/'(TENURE_[A-Z_]+)'/g), ([, code]) => code!))];
}
