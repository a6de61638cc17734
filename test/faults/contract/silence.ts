import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runCalls } from '../../contract/load.js';
import { useLoad } from '../../contract/useLoad.js';
import type { Scope, Stages } from './stage.js';
import { longestMs } from './subject.js';

/** Longer than a connection counts as fresh, which is 500 ms by default. */
const QUIET_MS = 600;

/** The network, or this process, becomes silent, without a message to the server. */
export function silence(stages: Stages, scope: Scope): void {
  it('half-open: all idle connections silently dead, new ones fine; of 50 queries at concurrency 10 none fails', async () => {
    const healthTimeoutMs = 500;
    const { app, proxy } = await stages.warm(10, { healthTimeoutMs });
    await sleep(QUIET_MS);
    proxy.freeze();
    await runCalls(50, 10, () => app.query('select 1'));
    console.info(`half-open: the longest of 50 queries took ${Math.round(longestMs(app.calls))} ms`);
    expect(app.complaints).toEqual([]);
    expect(longestMs(app.calls)).toBeLessThan(2 * healthTimeoutMs);
  });

  if (scope === 'some') return;

  it('the event loop blocked for 3 s under load, nothing wrong with the server: no connection is thrown away', async () => {
    // Every reuse is checked, and so there are checks under way whose time is up when the loop turns again.
    const { app, proxy } = await stages.warm(5, { healthBypassMs: 0, healthTimeoutMs: 500 });
    const load = useLoad(10, () => app.query('select pg_sleep(0.001)'));
    await sleep(300);
    blockLoop(3_000);
    await sleep(300);
    await load.stop();
    expect(app.complaints).toEqual([]);
    expect(proxy.connects).toHaveLength(5);
    expect(app.stats()).toMatchObject({ opened: 5, idle: 5 });
  });
}

/** Nothing else of this process runs meanwhile; the system goes on filling its sockets. */
function blockLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
