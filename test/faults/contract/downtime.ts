import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { useLoad } from '../../contract/useLoad.js';
import type { Scope, Stages } from './stage.js';
import { longestMs } from './subject.js';

/** The server goes, for a while or for good, as a whole or one session of it. */
export function downtime(stages: Stages, scope: Scope): void {
  const { postgres } = stages;

  it('fast restart under load of 20 workers: only queries in flight fail, nobody waits long, and the server is found at once', async () => {
    const { app } = await stages.warm(10);
    const load = useLoad(20, () => app.query('select pg_sleep(0.01)'));
    await sleep(300);
    const stoppedAt = performance.now();
    await postgres.stopServer('fast');
    const goneAt = performance.now();
    await sleep(1_000);
    await postgres.startServer();
    const readyAt = performance.now();
    await sleep(1_000);
    await load.stop();

    const downMs = readyAt - stoppedAt;
    const firstSuccess = Math.min(...app.answered.map(({ endedAt }) => endedAt).filter((at) => at > readyAt));
    console.info(
      `restart: down for ${Math.round(downMs)} ms, first success ${Math.round(firstSuccess - readyAt)} ms later, ` +
        `longest wait ${Math.round(longestMs(app.answered))} ms, ${app.failed.length} of ${app.calls.length} failed`,
    );
    // Ten connections, so no more queries can have been in flight. Each failed one got its reason from PostgreSQL or from the socket.
    expect(app.failed.length).toBeLessThanOrEqual(10);
    for (const { askedAt, endedAt, error } of app.failed) {
      expect(String(error)).toMatch(/terminat|ECONNRESET/i);
      expect(askedAt).toBeLessThan(goneAt + 100);
      expect(endedAt).toBeLessThan(readyAt);
    }
    expect(longestMs(app.answered)).toBeLessThan(downMs + 1_000);
    // An attempt every 400 ms, a connect and a query.
    expect(firstSuccess - readyAt).toBeLessThan(500);
  });

  it("backend killed in mid-transaction: exactly that transaction fails, with PostgreSQL's own error, and the pool goes on", async () => {
    const { app } = await stages.warm(3);
    const load = useLoad(4, () => app.query('select pg_sleep(0.01)'));
    let heard: unknown;
    const killed = app.transaction((query) =>
      query(`select 'the victim', pg_sleep(20)`).catch((error) => {
        heard = error;
        throw error;
      }),
    );
    const outcome = expect(killed).rejects.toThrow();
    const victim = async () => (await postgres.activity()).find(({ query }) => query.includes('the victim'));
    await expect.poll(victim).toBeDefined();
    await postgres.terminateBackends({ pid: (await victim())!.pid });
    await outcome;
    await sleep(300);
    await load.stop();
    // The caller of a Knex transaction gets the error of its rollback, with and without Tenure.
    expect(String(heard)).toContain('terminating connection due to administrator command');
    expect(app.failed).toHaveLength(1);
    expect(app.stats()).toMatchObject({ used: 0, waiting: 0 });
  });

  if (scope === 'some') return;

  it('server killed and never back: callers hear "unreachable" and why by their deadline, at most three connects per second', async () => {
    const acquireTimeoutMs = 1_500;
    const { app, proxy } = await stages.warm(10, { acquireTimeoutMs });
    const load = useLoad(20, () => app.query('select pg_sleep(0.01)'));
    await sleep(300);
    onTestFinished(() => postgres.startServer());
    await postgres.stopServer('kill');
    const killedAt = performance.now();
    await sleep(4_000);
    await load.stop();

    const attempts = proxy.connects.filter((at) => at > killedAt);
    expect(attempts.length).toBeGreaterThan(3);
    expect(mostWithin(1_000, attempts)).toBeLessThanOrEqual(3);
    expect(longestMs(app.failed)).toBeLessThan(acquireTimeoutMs + 500);
    const later = app.failed.filter(({ askedAt }) => askedAt > killedAt);
    expect(later.length).toBeGreaterThan(20);
    for (const { error } of later) {
      expect(error).toMatchObject({ code: 'TENURE_UNREACHABLE', cause: expect.any(Error) });
      expect(String(error)).toMatch(/unreachable.*(ECONNRE|terminated)/s);
    }
  });
}

/** How many of these moments lie within the fullest window of this length. */
export function mostWithin(windowMs: number, moments: readonly number[]): number {
  const from = (start: number) => moments.filter((at) => at >= start && at < start + windowMs).length;
  return Math.max(0, ...moments.map(from));
}
