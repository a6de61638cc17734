import { Fleet } from './fleet.js';
import { randomFrom } from './simulatedTime.js';

/** The result of one run. */
export interface Outcome {
  readonly seed: number;
  readonly members: number;
  readonly limit: number;
  readonly peak: number;
  /** Broken promises of a budget; empty when there are none. */
  readonly problems: readonly string[];
}

const QUIET_MS = 20_000;

/**
 * One run at random: processes join and die, freeze, lose their network, come with another budget; the server restarts; the load changes. Then the
 * load stays as it is, and all must come to equal shares and to rest.
 */
export async function runOnce(seed: number): Promise<Outcome> {
  const random = randomFrom(seed);
  const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const fleet = new Fleet(seed);
  const limits = [pick(2, 40)];
  const join = () => fleet.join({ budget: limits.at(-1)!, budgetStrict: random() < 0.2 });
  for (let joining = pick(1, 12); joining > 0; joining--) join().callers = pick(0, 15);
  const problems: string[] = [];
  try {
    for (let step = pick(2, 6); step > 0; step--) {
      await fleet.run(pick(500, 6_000));
      disturb(fleet, random, { join, limits });
      for (const member of fleet.living) if (random() < 0.4) member.callers = pick(0, 15);
    }
    // Sessions without a client, and members that are frozen, hold their slots until their leash ends.
    for (const member of fleet.living) member.callers = 0;
    await fleet.run(fleet.members.some(({ hasFault }) => hasFault) ? 120_000 : 0);
    for (const member of fleet.living) member.callers = random() < 0.5 ? 15 : 0;
    await fleet.run(QUIET_MS);
    const closed = fleet.living.map(({ closedForBudget }) => closedForBudget);
    await fleet.run(10_000);
    // A strict process without a slot connects now and then, to ask for one: that connection is closed.
    const moved = fleet.living.map((member, index) =>
      member.pool.policy.budgetStrict && member.slots === 0 ? 0 : member.closedForBudget - closed[index]!,
    );
    if (moved.some((count) => count > 0)) problems.push(`does not come to rest: ${moved}`);
    problems.push(...unfair(fleet));
  } catch (error) {
    problems.push(String(error));
  }
  // If there are more processes than slots, strict ones wait in vain.
  for (const { failures, pool } of fleet.members) {
    if (fleet.wasShort && pool.policy.budgetStrict) continue;
    problems.push(...failures.slice(0, 1).map((error) => `a call failed: ${error}`));
  }
  return { seed, members: fleet.members.length, limit: fleet.limit, peak: fleet.peak, problems };
}

function disturb(
  fleet: Fleet,
  random: () => number,
  { join, limits }: { join: () => { callers: number }; limits: number[] },
): void {
  const { living } = fleet;
  const victim = living[Math.floor(random() * living.length)];
  switch (Math.floor(random() * 7)) {
    case 0:
      victim?.kill();
      break;
    case 1:
      victim?.freeze(500 + 20_000 * random());
      break;
    case 2:
      victim?.partition();
      break;
    case 3:
      for (const member of fleet.members) member.hasFault = true;
      fleet.server.restart(2_000 * random());
      break;
    case 4: {
      // A rolling deployment: each process is replaced, and the new ones have another budget.
      limits.push(2 + Math.floor(40 * random()));
      for (const old of living) {
        old.kill();
        join().callers = old.callers;
      }
      break;
    }
    default:
      join().callers = Math.floor(15 * random());
  }
}

/** Members whose callers all wait, and which have less than their share. Only where all have the same budget, since each goes by its own. */
function unfair(fleet: Fleet): string[] {
  const { living } = fleet;
  const budgets = new Set(living.map(({ pool }) => pool.stats().budget?.limit));
  if (budgets.size !== 1 || living.length > fleet.limit) return [];
  const [limit] = budgets as Set<number>;
  const busy = living.filter(({ callers }) => callers > 0);
  const share = Math.min(7, Math.floor((limit! - (living.length - busy.length)) / busy.length));
  return busy
    .filter(({ slots, pool }) => slots < share && pool.stats().budget?.hungry)
    .map(
      ({ slots, pool }) =>
        `${slots} slots of a share of ${share}, of ${limit} for ${living.length}: ${JSON.stringify(pool.stats().budget)}`,
    );
}
