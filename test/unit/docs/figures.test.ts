import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe.each(['README.md', 'docs/performance.md', 'docs/incident.md'])('%s', (document) => {
  const lines = read(document)
    .split('\n')
    .filter((line) => /`bench \w+`/.test(line) && !line.includes('--'));

  it('quotes figures', () => {
    expect(lines.length).toBeGreaterThan(2);
  });

  it.each(lines)('has the figures that the named benchmark printed: %s', (line) => {
    const names = Array.from(line.matchAll(/`bench (\w+)`/g), ([, name]) => name);
    const printed = names.flatMap((name) => figuresOf(read(`bench/results/${name}.md`)));
    expect(figuresOf(line).filter((figure) => !printed.includes(figure))).toEqual([]);
  });
});

/** Numbers as they are written, but for the commas between thousands. */
function figuresOf(text: string): string[] {
  const numbers = text.replaceAll(/(\d),(?=\d{3})/g, '$1').matchAll(/\d+(?:\.\d+)*/g);
  return Array.from(numbers, ([number]) => number);
}
