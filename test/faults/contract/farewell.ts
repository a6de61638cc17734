import { expect, it } from 'vitest';
import { failures, runCalls } from '../../contract/load.js';
import type { Stage, Stages } from './stage.js';

const REQUESTS = 120;

/** The app says goodbye while requests are under way. */
export function farewell(stages: Stages): void {
  /** Sends all queries at once and closes the pool when each holds a connection or waits for one. Returns all errors. */
  const closeAfter = async ({ app }: Stage, count: number, ask: () => Promise<unknown>): Promise<unknown[]> => {
    const arrived = () => app.stats().acquired + app.stats().waiting;
    const before = arrived();
    const asked = runCalls(count, count, ask);
    await expect.poll(arrived, { interval: 1 }).toBeGreaterThanOrEqual(before + count);
    expect(app.stats().waiting).toBeGreaterThan(0);
    const closed = app.destroy();
    const failed = failures(await asked);
    await closed;
    return failed;
  };

  it(`${REQUESTS} requests in line or in their first query when the pool closes: each is answered, and then nothing is left`, async () => {
    const stage = await stages.warm(5);
    expect(await closeAfter(stage, REQUESTS, () => stage.app.query('select pg_sleep(0.05)'))).toEqual([]);
  });

  it('the same, with a pool that has not connected yet', async () => {
    const stage = await stages.set({ maxConnections: 5 });
    stage.proxy.connectDelayMs = 300;
    expect(await closeAfter(stage, REQUESTS, () => stage.app.query('select pg_sleep(0.01)'))).toEqual([]);
  });

  it('the same, with transactions of several statements', async () => {
    const stage = await stages.warm(5);
    const work = () =>
      stage.app.transaction(async (query) => {
        await query('select pg_sleep(0.02)');
        await query('select pg_sleep(0.02)');
      });
    expect(await closeAfter(stage, 20, work)).toEqual([]);
  });
}
