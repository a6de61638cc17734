import { expect, it } from 'vitest';
import { soak, wrongIn } from '../soak/soak.js';
import { seedFrom } from '../support/seed.js';

const SECONDS = 15;
const seed = seedFrom('SOAK_SEED');

it(`${SECONDS} s of faults at random: nothing lost, hung, crashed or leaked (SOAK_SEED=${seed}; longer: pnpm test:soak)`, async () => {
  const figures = await soak({ seconds: SECONDS, seed, report: console.info });
  expect(wrongIn(figures)).toEqual([]);
  expect(figures.faults).toBeGreaterThan(3);
}, 90_000);
