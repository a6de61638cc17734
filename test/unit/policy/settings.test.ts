import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { POLICY_OPTIONS } from '../../../packages/core/src/policy/options.js';
import { withPolicyTables } from './policyTable.js';

const SETTINGS = fileURLToPath(new URL('../../../docs/settings.md', import.meta.url));
const README = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

// `npx -y pnpm@12 exec vitest run --configLoader runner --project unit test/unit/policy/settings --update` renews them.
it('docs/settings.md has the tables of the policy as the code has it', async () => {
  await expect(withPolicyTables(readFileSync(SETTINGS, 'utf8'))).toMatchFileSnapshot(SETTINGS);
});

it('the README names settings that exist', () => {
  const known = Object.values(POLICY_OPTIONS).map(({ env }) => env);
  const named = Array.from(README.matchAll(/\b(?:CONN_[A-Z_]+|(?:MAX|MIN|REUSE)_CONNS)\b/g), ([name]) => name);
  expect(named.length).toBeGreaterThanOrEqual(6);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

it('the README takes a minute to read', () => {
  expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(110);
});
