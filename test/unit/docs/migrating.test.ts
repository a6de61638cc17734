import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { POLICY_KEYS, POLICY_OPTIONS } from '../../../packages/core/src/policy/options.js';

const VARIABLES: readonly string[] = POLICY_KEYS.map((key) => POLICY_OPTIONS[key].env);
const sections = readFileSync(new URL('../../../docs/migrating.md', import.meta.url), 'utf8')
  .split(/^## From /m)
  .slice(1);

describe.each(sections.map((section) => [section.split('\n')[0]!, section] as const))('from %s', (_, section) => {
  const here = Array.from(section.matchAll(/^\| (?!---)[^|]*\| ([^|]*) \|/gm), ([, cell]) => cell!).slice(1);

  it('names settings that exist', () => {
    expect(here.length).toBeGreaterThan(3);
    expect(namesIn(here).filter((name) => ![...VARIABLES, ...POLICY_KEYS].includes(name))).toEqual([]);
  });
});

/** Variables, and keys of the policy; not members of a pool or a connector. */
function namesIn(cells: string[]): string[] {
  const codes = cells.flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, code]) => code!));
  return codes.flatMap((code) => /^([A-Z]+_[A-Z_]+|[a-z]+(?:Ms|Connections|Uses|OnIdle))\b/.exec(code)?.[1] ?? []);
}
