import { describe, expect, it } from 'vitest';
import { Fleet } from '../../fleet/fleet.js';
import { runOnce } from '../../fleet/scenarios.js';

const slotsOf = (fleet: Fleet) => fleet.living.map(({ slots }) => slots);
const closedIn = (fleet: Fleet) => fleet.living.reduce((sum, { closedForBudget }) => sum + closedForBudget, 0);

/** Twelve processes with a budget of 40; the first of them are busy. */
async function twelve(busy: number, seed = 1): Promise<Fleet> {
  const fleet = new Fleet(seed, { holdMs: 50, thinkMs: 1 });
  for (let index = 0; index < 12; index++) fleet.join({ budget: 40 }).callers = index < busy ? 40 : 1;
  await fleet.run(10_000);
  return fleet;
}

describe('a simulated fleet', () => {
  // Many more by hand: npx -y pnpm@12 test:fleet 2000
  // The last three have failed: a strict pool lost its last connection while its callers waited, and set no timer to open another
  // (two seeds); a statement of the budget let a caller wait, for whom the pool then was hungry.
  it.each([1, 2, 3, 4, 5, 6, 400_645, 401_181, 600_088])(
    'keeps its budget, comes to equal shares, and to rest: seed %d',
    async (seed) => {
      expect((await runOnce(seed)).problems).toEqual([]);
    },
  );

  it.each([1, 2])(
    'of which one is busy beside eleven that have just stopped: it has half of the budget within 1.5 s: seed %d',
    async (seed) => {
      const fleet = await twelve(1, seed);
      for (const member of fleet.living.slice(1)) member.callers = 6;
      await fleet.run(10_000);
      expect(slotsOf(fleet).reduce((sum, slots) => sum + slots)).toBe(40);
      expect(fleet.living[0]!.slots).toBeLessThanOrEqual(4);
      for (const member of fleet.living.slice(1)) member.callers = 0;
      // They have stopped when the callers in line have been served.
      await fleet.run(200);
      await fleet.run(1_500);
      expect(fleet.living[0]!.slots).toBeGreaterThanOrEqual(20);
    },
  );

  it('of which three are busy, and then all twelve: equal shares within 10 s, and then nothing moves', async () => {
    const fleet = await twelve(3);
    expect(Math.max(...slotsOf(fleet))).toBeGreaterThan(8);
    for (const member of fleet.living) member.callers = 40;
    await fleet.run(10_000);
    const slots = slotsOf(fleet);
    expect(slots.reduce((sum, one) => sum + one)).toBe(40);
    expect(Math.max(...slots) - Math.min(...slots)).toBeLessThanOrEqual(1);
    const closed = closedIn(fleet);
    await fleet.run(10_000);
    expect(closedIn(fleet)).toBe(closed);
  });

  it('with room sends the server one small question a second from a process with more than one connection, and none from others', async () => {
    const fleet = new Fleet(1);
    for (let index = 0; index < 5; index++) fleet.join({ budget: 100, idleTimeoutMs: 'none' });
    for (const member of fleet.living) member.callers = 3;
    await fleet.run(5_000);
    for (const member of fleet.living) member.callers = 0;
    await fleet.run(1_000);
    const before = fleet.server.statements;
    await fleet.run(60_000);
    expect(fleet.server.statements - before).toBeLessThan(5 * 90);
  });
});
