import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { seedFrom } from '../../support/seed.js';
import { carryOut, type Step, step } from './commands.js';
import type { Abilities } from './modelServer.js';
import { World } from './world.js';

const RUNS = Number(process.env.MODEL_RUNS ?? 2_000);
const SEED = seedFrom('MODEL_SEED');

const policy: fc.Arbitrary<PolicyOverrides> = fc
  .record({
    maxConnections: fc.integer({ min: 1, max: 5 }),
    reuseConnections: fc.nat(5),
    minConnections: fc.constantFrom(0, 0, 1, 2),
    maxAgeMs: fc.constantFrom<number | 'none'>(0, 900, 8_000, 'none', 'none'),
    maxAgeJitter: fc.constantFrom(0, 0.25, 0.9),
    maxUses: fc.constantFrom<number | 'none'>(1, 3, 'none', 'none'),
    idleTimeoutMs: fc.constantFrom<number | 'none'>(700, 5_000, 'none'),
    healthChecks: fc.constantFrom(true, true, true, false),
    healthBypassMs: fc.constantFrom(0, 500, 2_000),
    healthTimeoutMs: fc.constantFrom(80, 1_000),
    keepaliveMs: fc.constantFrom<number | 'none'>(800, 5_000, 'none'),
    acquireTimeoutMs: fc.constantFrom<number | 'none' | undefined>(300, 3_000, 'none', undefined),
    connectTimeoutMs: fc.constantFrom(1_000, 3_000),
    maxWaiting: fc.constantFrom<number | 'none'>(0, 2, 'none', 'none', 'none'),
    reset: fc.constantFrom('rollback', 'rollback', 'session', 'none'),
    leakAfterMs: fc.constantFrom<number | 'none'>(250, 'none', 'none'),
    writable: fc.constantFrom(false, false, false, true),
  })
  .map((drawn) => {
    const reuseConnections = Math.min(drawn.reuseConnections, drawn.maxConnections);
    return { ...drawn, reuseConnections, minConnections: Math.min(drawn.minConnections, reuseConnections) };
  });

const mostly = fc.constantFrom(true, true, true, false);
const abilities: fc.Arbitrary<Abilities> = fc.record({
  ping: mostly,
  isOpen: mostly,
  reset: mostly,
  probe: mostly,
  validate: fc.constantFrom(false, false, false, true),
});

const stray: unknown[] = [];
const onStray = (error: unknown) => stray.push(error);
beforeAll(() => void process.on('unhandledRejection', onStray).on('uncaughtException', onStray));
afterAll(() => void process.off('unhandledRejection', onStray).off('uncaughtException', onStray));

async function run(world: World, steps: readonly Step[]): Promise<void> {
  for (const { command, ticks } of steps) {
    await carryOut(command, world);
    if (ticks === 'all') {
      await world.runtime.advance(0);
      world.checkSettled();
    } else {
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      world.checkAlways();
    }
  }
}

async function giveAllBack(world: World): Promise<void> {
  while (world.releasable > 0) world.release(0, undefined, false);
  await world.runtime.advance(100);
}

/** Ends all faults of the server. */
function heal({ server }: World): void {
  server.connectsAs = { afterMs: 5, ends: 'ok' };
  server.pinging = server.resetting = server.closing = server.probing = () => ({ afterMs: 5 });
}

/** The server is well again, everyone gives back what they hold: now the pool must serve everyone. */
async function recover(world: World): Promise<void> {
  heal(world);
  for (let round = 0; round < 150; round++) await giveAllBack(world);
  world.checkSettled();
  expect(world.waiting, 'callers who still wait although all is well').toEqual([]);
  const before = world.served;
  for (let i = 0; i < 2; i++) {
    world.acquire(1_000, false);
    for (let j = 0; j < 10; j++) await giveAllBack(world);
  }
  world.checkSettled();
  expect(world.served - before, 'callers served now that all is well').toBe(2);
}

async function finish(world: World): Promise<void> {
  const { runtime, server, pool } = world;
  while (world.releasable > 0) world.release(0, undefined, false);
  let drained = false;
  void world.drain(undefined).then(() => {
    drained = true;
  });
  // Those who were in line when an earlier drain began are served first. A connect, a reset and a close may each take their whole time.
  heal(world);
  for (let round = 0; round < 150; round++) await giveAllBack(world);
  world.checkSettled();
  expect(drained, 'the drain has ended').toBe(true);
  expect(server.live).toEqual([]);
  expect(pool.connections()).toEqual([]);
  expect(world.waiting).toEqual([]);
  expect(runtime.holdsProcess).toBe(false);
  await runtime.advance(3_600_000);
  expect(runtime.timers, 'timers that are left').toBe(0);
}

async function play(drawn: PolicyOverrides, can: Abilities, chance: number, steps: readonly Step[]): Promise<void> {
  stray.length = 0;
  const world = new World(parsePolicy({}, drawn), can, chance);
  await run(world, steps);
  world.calm = true;
  if (!world.draining) await recover(world);
  await finish(world);
  expect(stray).toEqual([]);
}

it('whatever happens: never too many open, none in two hands, none lost, nobody forgotten, first come first served', async () => {
  const started = performance.now();
  const chance = fc.constantFrom(0, 0.5, 0.999);
  const steps = fc.array(step, { minLength: 5, maxLength: 40, size: 'max' });
  await fc.assert(fc.asyncProperty(policy, abilities, chance, steps, play), { seed: SEED, numRuns: RUNS });
  const seconds = (performance.now() - started) / 1_000;
  console.info(`model: MODEL_SEED=${SEED} MODEL_RUNS=${RUNS} took ${seconds.toFixed(1)} s`);
}, 240_000);
