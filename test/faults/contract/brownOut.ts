import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { runCalls } from '../../contract/load.js';
import type { OpenStock } from '../../contract/openStock.js';
import { useLoad } from '../../contract/useLoad.js';
import { useProxy } from '../../support/proxy/useProxy.js';
import type { Scope, Stage, Stages } from './stage.js';
import { longestMs } from './subject.js';

/** Longer than a connection counts as fresh, which is 500 ms by default. */
const QUIET_MS = 600;
/** Time for other work of the machine. */
const SLACK_MS = 500;

const CONNECTIONS = 6;
const WORKERS = 12;

/** Every answer takes long, and nothing is wrong with the connections: a disk, locks, a processor that is busy. */
export function brownOut(stages: Stages, openStock: OpenStock, scope: Scope): void {
  const { postgres } = stages;

  it.each([1.5, 5])(
    'every answer takes %d times as long as a check may: callers who come at once after a pause are served, no connection is closed, none opened',
    async (factor) => {
      const healthTimeoutMs = 500;
      const { app, proxy } = await stages.warm(CONNECTIONS, { healthTimeoutMs });
      await sleep(QUIET_MS);
      slowDown(proxy, factor * healthTimeoutMs);
      await runCalls(CONNECTIONS, CONNECTIONS, () => app.query('select 1'));
      console.info(`brown-out: the longest of ${CONNECTIONS} calls took ${Math.round(longestMs(app.calls))} ms`);
      expect(app.complaints).toEqual([]);
      expectNoneClosed(app);
      // A check, and the query itself.
      expect(longestMs(app.calls)).toBeLessThan(2 * factor * healthTimeoutMs + SLACK_MS);
    },
  );

  it('3 s answers under load: no connection is closed, and callers wait no longer than with the stock pool', async () => {
    const seconds = scope === 'all' ? 20 : 7;
    const { app, proxy } = await stages.warm(CONNECTIONS);
    const { user, password, database } = postgres;
    const other = await useProxy(postgres);
    const stock = openStock({ host: other.host, port: other.port, user, password, database }, CONNECTIONS);
    onTestFinished(async () => void (await stock.destroy()));
    const query = 'select pg_sleep(0.01)';
    await runCalls(20 * CONNECTIONS, WORKERS, () => stock.query(query));
    const loads = [useLoad(WORKERS, () => app.query(query)), useLoad(WORKERS, () => stock.query(query))];
    await sleep(300);
    for (const one of [proxy, other]) slowDown(one, 3_000);
    await sleep(seconds * 1_000);
    for (const one of [proxy, other]) one.heal();
    await Promise.all(loads.map((load) => load.stop()));
    const [ours, theirs] = loads.map(({ outcomes }) => Math.max(...outcomes.map(({ tookMs }) => tookMs)));
    console.info(
      `brown-out of ${seconds} s: the longest call took ${Math.round(ours!)} ms, stock's ${Math.round(theirs!)} ms`,
    );
    expect(app.complaints).toEqual([]);
    expectNoneClosed(app);
    expect(ours).toBeLessThan(1.2 * theirs!);
  });

  it('comes to an end for a connection that is dead: that one is replaced, the others stay', async () => {
    const healthTimeoutMs = 300;
    const { app, proxy } = await stages.warm(CONNECTIONS, { healthTimeoutMs });
    await sleep(QUIET_MS);
    proxy.freeze(1);
    slowDown(proxy, 600);
    await runCalls(CONNECTIONS, CONNECTIONS, () => app.query('select 1'));
    expect(app.complaints).toEqual([]);
    await expect.poll(() => app.stats().closed['failed-check']).toBe(1);
    expect(app.stats().opened).toBeLessThanOrEqual(CONNECTIONS + 1);
  });
}

/** Half of an answer's time goes each way. */
function slowDown(proxy: { latencyMs: number }, ms: number): void {
  proxy.latencyMs = ms / 2;
}

function expectNoneClosed(app: Stage['app']): void {
  const { opened, closed, checks } = app.stats();
  const reasons = Object.entries(closed).filter(([, count]) => count > 0);
  expect({ opened, reasons, failedChecks: checks.failed }).toEqual({
    opened: CONNECTIONS,
    reasons: [],
    failedChecks: 0,
  });
}
