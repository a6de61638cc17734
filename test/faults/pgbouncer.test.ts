import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openKnex } from '../contract/openKnex.js';
import { openPool } from '../contract/openPool.js';
import { openPrisma } from '../contract/openPrisma.js';
import { useLoad } from '../contract/useLoad.js';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.js';
import { usePostgres } from '../support/usePostgres.js';
import { wordsOf } from './contract/endings.js';
import { Subject } from './contract/subject.js';

const CONNECTIONS = 10;
const postgres = await usePostgres();

describe.skipIf(!hasPgBouncer()).each([
  ['Pool', openPool],
  ['Knex', openKnex],
  ['Prisma', openPrisma],
])('PgBouncer restarted under load, through %s', (_, open) => {
  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('by %s: at most the queries in flight fail', async (signal) => {
    await using bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'transaction' });
    const { user, password, database } = postgres;
    const { host, port } = bouncer;
    const app = new Subject(open({ host, port, user, password, database }, { maxConnections: CONNECTIONS }));
    onTestFinished(async () => void (await app.destroy()));
    const load = useLoad(2 * CONNECTIONS, () => app.query('select pg_sleep(0.01)'));
    await expect.poll(() => app.stats().opened).toBe(CONNECTIONS);
    for (const downMs of [0, 1_000]) {
      app.turnThePage();
      await sleep(300);
      await bouncer.restart(signal, downMs);
      const backAt = performance.now();
      await expect.poll(() => app.answered.some(({ askedAt }) => askedAt > backAt)).toBe(true);
      // One query at most is in flight on a connection. Those who wait are served when it is back.
      expect(app.failed.length).toBeLessThanOrEqual(CONNECTIONS);
      for (const { error } of app.failed) expect(wordsOf(error)).toMatch(/terminated|ECONNRESET|closed/i);
    }
    await load.stop();
    expect(app.unexplained).toEqual([]);
  });
});
