import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { runCalls } from '../../contract/load.js';
import { listenAndCount, staySilent } from '../../support/countingListener.js';
import type { Stages } from './stage.js';
import { longestMs } from './subject.js';

/** Time for other work of the machine. */
const SLACK_MS = 2_000;

/** The server, or the way to it, takes its time to let callers in. */
export function connecting(stages: Stages): void {
  it('a new pool whose first connect is never answered: six callers are served after a second', async () => {
    const { app, proxy } = await stages.set({ maxConnections: 10 });
    proxy.swallowNext = 1;
    await runCalls(6, 6, () => app.query('select 1'));
    console.info(`first connect swallowed: the longest of 6 calls took ${Math.round(longestMs(app.calls))} ms`);
    expect(app.complaints).toEqual([]);
    expect(longestMs(app.calls)).toBeLessThan(1_000 + SLACK_MS);
    expect(proxy.connects.length).toBeLessThanOrEqual(7);
  });

  it('a pool that has connected before, and three connects that are never answered: six callers are served in less', async () => {
    const { app, proxy } = await stages.warm(1, { maxConnections: 10 });
    const held = app.query('select pg_sleep(3)');
    await expect.poll(() => app.stats().used).toBe(1);
    proxy.swallowNext = 3;
    const began = performance.now();
    await Promise.all(Array.from({ length: 6 }, () => app.query('select 1')));
    expect(performance.now() - began).toBeLessThan(1_000 + SLACK_MS);
    await held;
    expect(app.complaints).toEqual([]);
    // Those that were swallowed have made room.
    await expect.poll(() => app.stats().opening).toBe(0);
  });

  it('a name with two addresses, of which the first accepts connects and never answers: the second serves', async () => {
    const { app, proxy } = await stages.set({ maxConnections: 10 }, { host: TWO_ADDRESSES });
    const silent = await listenAndCount(staySilent, { host: SILENT_ADDRESS, port: proxy.port });
    resolveTo([SILENT_ADDRESS, proxy.host]);
    await runCalls(6, 6, () => app.query('select 1'));
    console.info(`one of two addresses is silent: the longest of 6 calls took ${Math.round(longestMs(app.calls))} ms`);
    expect(app.complaints).toEqual([]);
    expect(longestMs(app.calls)).toBeLessThan(1_000 + SLACK_MS);
    // All later ones went to the other at once.
    expect(silent.accepted()).toBe(1);
  });

  it('a server that is away for longer than a connect may take: who may wait longer is served when it is back', async () => {
    const { app, proxy } = await stages.set({ maxConnections: 4, connectTimeoutMs: 500, acquireTimeoutMs: 10_000 });
    proxy.stopListening();
    const calls = runCalls(20, 20, () => app.query('select 1'));
    await sleep(2_500);
    expect(app.pending.size).toBe(20);
    await proxy.listen();
    await calls;
    expect(app.complaints).toEqual([]);
  });
}

const TWO_ADDRESSES = 'two-addresses.test';
const SILENT_ADDRESS = '127.0.0.2';

/** Has our name stand for these addresses, in this order. */
function resolveTo(addresses: readonly string[]): void {
  const { lookup } = dns;
  const found = addresses.map((address): LookupAddress => ({ address, family: 4 }));
  type Callback = (error: null, found: string | LookupAddress[], family?: number) => void;
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, options: LookupOptions, callback: Callback) => {
    if (host !== TWO_ADDRESSES) return Reflect.apply(lookup, dns, [host, options, callback]);
    process.nextTick(() => (options.all ? callback(null, found) : callback(null, addresses[0]!, 4)));
  }) as typeof lookup);
}
