import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { withPolicyTable } from './policyTable.js';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

// To renew it: npx -y pnpm@12 exec vitest run --project unit unit/policy/readme --update
it("has the README's table of the policy as the code has it", async () => {
  await expect(withPolicyTable(readFileSync(README, 'utf8'))).toMatchFileSnapshot(README);
});
