import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { failures, runCalls } from '../../contract/load.js';
import { wordsOf } from './endings.js';
import type { Scope, Stage, Stages } from './stage.js';

const CHECK = { inFlightCheckMs: 600 };
/** The check, its confirmation, and time to spare. */
const FOUND_WITHIN_MS = 8_000;

/** A query is in flight, and its answer will never come: the socket looks well, and the server or its session is gone. */
export function inFlight(stages: Stages, scope: Scope): void {
  const { postgres } = stages;
  const working = async (count: number) =>
    expect.poll(async () => (await postgres.activity({ state: 'active' })).length).toBe(count);

  /** The error of a query that hangs, which must come in time. */
  const outcome = async (hanging: Promise<unknown>): Promise<string> => {
    const hung = sleep(FOUND_WITHIN_MS, 'it hangs', { ref: false });
    return Promise.race([hanging.then(() => 'it succeeded', wordsOf), hung]);
  };

  /** Makes all open sessions die behind a network that has forgotten them. */
  const forget = async ({ proxy }: Stage) => {
    proxy.freeze();
    await postgres.terminateBackends();
  };

  it('its session is gone: the caller gets an error that says so, others never wait, and the pool goes on', async () => {
    const stage = await stages.set({ maxConnections: 2, ...CHECK });
    const hanging = stage.app.query('select pg_sleep(60)');
    await working(1);
    await forget(stage);
    const others = runCalls(20, 2, () => stage.app.query('select pg_sleep(0.01)'));
    expect(await outcome(hanging)).toMatch(/its backend \d+ is gone.*may have run/s);
    expect(failures(await others)).toEqual([]);
    expect(stage.app.stats().closed).toMatchObject({ broken: 1 });
  });

  it('its answer was swallowed: the session is idle', async () => {
    const stage = await stages.set({ maxConnections: 2, ...CHECK });
    // Long enough to be seen at work, also on a machine that has other things to do.
    const hanging = stage.app.query('select pg_sleep(1.5)');
    await working(1);
    stage.proxy.freeze();
    expect(await outcome(hanging)).toMatch(/its backend \d+ is idle/);
  });

  it('in a transaction', async () => {
    const stage = await stages.set({ maxConnections: 2, ...CHECK });
    let heard: unknown;
    const hanging = stage.app.transaction(async (query) => {
      await query('select 1');
      await query('select pg_sleep(60)').catch((error) => {
        heard = error;
        throw error;
      });
    });
    await working(1);
    await forget(stage);
    // Knex gives its caller the error of the rollback, and Prisma that of its own time limit.
    await expect(outcome(hanging)).resolves.not.toMatch(/it hangs|it succeeded/);
    await expect.poll(() => wordsOf(heard), { timeout: FOUND_WITHIN_MS }).toMatch(/its backend \d+ is gone/);
  });

  it('all of the pool at once: it asks over one connection more, and never serves from it above the maximum', async () => {
    const stage = await stages.set({ maxConnections: 2, ...CHECK });
    const hanging = [stage.app.query('select pg_sleep(60)'), stage.app.query('select pg_sleep(60)')];
    await working(2);
    await forget(stage);
    const waiting = stage.app.query('select 1');
    for (const one of await Promise.all(hanging.map(outcome))) expect(one).toMatch(/its backend \d+ is gone/);
    await waiting;
  });

  if (scope === 'some') return;

  it('the server was killed and came back', async () => {
    const stage = await stages.set({ maxConnections: 2, ...CHECK });
    const hanging = stage.app.query('select pg_sleep(60)');
    await working(1);
    // Its age distinguishes the session from one of the new server.
    await sleep(2_500);
    stage.proxy.freeze();
    await postgres.stopServer('kill');
    await postgres.startServer();
    expect(await outcome(hanging)).toMatch(/is gone, since the server was restarted/);
  });

  it('a query that runs is left alone, and asked about at twice the time each time', async () => {
    const { app } = await stages.warm(2, { ...CHECK, inFlightCheckMs: 300 });
    const { done } = app.stats().checks;
    await app.query('select pg_sleep(4)');
    const questions = app.stats().checks.done - done;
    expect(questions).toBeGreaterThanOrEqual(3);
    expect(questions).toBeLessThanOrEqual(5);
  });

  it('asks nothing as long as nothing takes long, and of a transaction that rests neither', async () => {
    // Without other checks, all counted ones are about queries in flight.
    const { app } = await stages.warm(3, { inFlightCheckMs: 400, healthChecks: false });
    const { done } = app.stats().checks;
    const resting = app.transaction(async (query) => {
      await query('select 1');
      await sleep(2_000);
    });
    const busy = app.transaction(async (query) => {
      for (let i = 0; i < 200; i++) await query('select pg_sleep(0.005)');
    });
    await Promise.all([resting, busy, runCalls(300, 1, () => app.query('select pg_sleep(0.005)'))]);
    expect(app.stats().checks.done).toBe(done);
  });
}
