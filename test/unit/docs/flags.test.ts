import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { USAGE as BENCH } from '../../../bench/src/options.js';
import { ADVISE_USAGE } from '../../../packages/doctor/src/advise.js';
import { USAGE as REPLAY } from '../../../replay/src/options.js';

/** `--help` explains itself. */
const flagsOf = (usage: string) => [...new Set(usage.match(/--[a-z][a-z-]+/g))].filter((flag) => flag !== '--help');

it.each([
  ['start', REPLAY, 'CONTRIBUTING.md', 5],
  ['bench', BENCH, 'CONTRIBUTING.md', 2],
  ['tenure-doctor advise', ADVISE_USAGE, 'docs/sizing.md', 8],
] as const)('each option of %s is in the documents', (_, usage, document, count) => {
  const flags = flagsOf(usage);
  expect(flags.length).toBeGreaterThanOrEqual(count);
  const text = readFileSync(new URL(`../../../${document}`, import.meta.url), 'utf8');
  expect(flags.filter((flag) => !text.includes(flag))).toEqual([]);
});
