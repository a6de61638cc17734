import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const sections = read('docs/errors.md').split(/^### /m).slice(1);

it('docs/errors.md explains each code of an error or a warning, and no other', () => {
  const explained = sections.map((section) => /^`(TENURE_[A-Z_]+)`/.exec(section)?.[1]);
  expect(explained.sort()).toEqual(codesInCode());
});

describe.each(sections.map((section) => [section.split('\n')[0]!, section] as const))('%s', (_, section) => {
  it('has a cause, and what to do', () => {
    expect(section).toContain('**Cause.**');
    expect(section).toContain('**What to do.**');
  });
});

function codesInCode(): string[] {
  const folders = readdirSync(new URL('packages', root)).map((name) => `packages/${name}/src`);
  const files = folders.flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const texts = files.filter((path) => path.endsWith('.ts')).map(read);
  const codes = texts.flatMap((text) => Array.from(text.matchAll(/'(TENURE_[A-Z_]+)'/g), ([, code]) => code!));
  return [...new Set(codes)].sort();
}
