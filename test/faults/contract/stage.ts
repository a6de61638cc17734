import type { PolicyOverrides } from '@tenure/core';
import { expect, onTestFinished } from 'vitest';
import type { OpenAdapter, Target } from '../../contract/adapterContract.js';
import { runCalls } from '../../contract/load.js';
import type { PostgresServer } from '../../support/postgres.js';
import type { FaultProxy } from '../../support/proxy/proxy.js';
import { useProxy } from '../../support/proxy/useProxy.js';
import { Subject } from './subject.js';

/** Nothing that ends takes longer than this to do so. */
const ENDS_WITHIN_MS = 5_000;

/** `some`: those faults that an adapter could make worse. What is the engine's alone is shown with `Pool`. */
export type Scope = 'all' | 'some';

export interface Stage {
  readonly app: Subject;
  readonly proxy: FaultProxy;
}

/** Puts apps before a server, each with a proxy between the two. */
export class Stages {
  constructor(
    readonly postgres: PostgresServer,
    private readonly open: OpenAdapter,
  ) {}

  /** An app on a network of its own. When the test ends it is drained, and must leave nothing behind. */
  async set(policy: PolicyOverrides = {}, more: Partial<Target> = {}): Promise<Stage> {
    const { user, password, database } = this.postgres;
    const proxy = await useProxy(this.postgres);
    const { host, port } = proxy;
    const app = new Subject(this.open({ host, port, user, password, database, ...more }, policy));
    onTestFinished(async ({ task }) => {
      const struck = this.#strike({ app, proxy });
      // A test that has failed leaves things as they were: what follows from that is no second failure.
      if (task.result?.state === 'fail') await struck.catch(() => {});
      else await struck;
    });
    return { app, proxy };
  }

  /** The same, with this many connections open, all idle and just used. */
  async warm(connections: number, policy: PolicyOverrides = {}, more: Partial<Target> = {}): Promise<Stage> {
    const stage = await this.set({ maxConnections: connections, ...policy }, more);
    const { app } = stage;
    const useAll = async () => {
      await runCalls(connections, connections, () => app.query('select pg_sleep(0.05)'));
      return app.stats().idle;
    };
    // A slow machine may have served the last with the connection of the first, or have been so slow that the first has come of age.
    await expect.poll(useAll).toBe(connections);
    app.turnThePage();
    return stage;
  }

  async #strike({ app, proxy }: Stage): Promise<void> {
    try {
      expectInOrder(app);
    } finally {
      proxy.heal();
      const drained = app.destroy().then(() => 'drained');
      expect(await Promise.race([drained, passed(ENDS_WITHIN_MS)])).toBe('drained');
    }
    await expect.poll(() => proxy.open, { timeout: ENDS_WITHIN_MS }).toBe(0);
    // The server keeps sessions that a network has dropped until its own keepalive fails.
    proxy.sever();
    const sessions = async () => (await this.postgres.activity()).map(({ query }) => query);
    await expect.poll(sessions, { timeout: ENDS_WITHIN_MS }).toEqual([]);
  }
}

/** The assertions for every app at the end of every fault. */
function expectInOrder(app: Subject): void {
  expect(app.pending.size).toBe(0);
  expect(app.answered.length + app.failed.length).toBe(app.calls.length);
  expect(app.unexplained).toEqual([]);
  expect(app.lentTwice).toBe(0);
}

function passed(ms: number): Promise<string> {
  return new Promise((resolve) => void setTimeout(resolve, ms, `not drained after ${ms} ms`).unref());
}
