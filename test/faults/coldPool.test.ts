import { describe, expect, it } from 'vitest';
import { runCalls } from '../contract/load.js';
import { openKnex } from '../contract/openKnex.js';
import { openPool } from '../contract/openPool.js';
import { openPrisma } from '../contract/openPrisma.js';
import { usePostgres } from '../support/usePostgres.js';
import { Stages } from './contract/stage.js';
import { longestMs, Subject } from './contract/subject.js';

const postgres = await usePostgres({ maxConnections: 80 });
const FACES = [
  { face: 'Pool', open: openPool },
  { face: 'Knex', open: openKnex },
  { face: 'Prisma', open: openPrisma },
];

describe.each(FACES)('a cold pool of 50, 80 ms from its server ($face)', ({ open }) => {
  const stages = new Stages(postgres, open);

  it('serves 500 queries at once within the five seconds that they may wait, with 50 connections at most', async () => {
    // The first queries of a process take longer, which is not the subject of this test.
    const rehearsal = await stages.set({ maxConnections: 20 });
    await runCalls(500, 500, () => rehearsal.app.query('select 1'));
    await rehearsal.app.destroy();
    const { app, proxy } = await stages.set({ maxConnections: 50, acquireTimeoutMs: 5_000 });
    proxy.latencyMs = 40;
    await runCalls(500, 500, () => app.query('select pg_sleep(0.1)'));
    console.info(`cold pool: the longest of 500 calls took ${Math.round(longestMs(app.calls))} ms`);
    expect(app.complaints).toEqual([]);
    expect(proxy.mostOpen).toBeLessThanOrEqual(50);
    expect(app.stats().opened).toBeGreaterThan(30);
  });
});

describe('380 queries at once, 200 ms each, through a pool of two', () => {
  // They wait for most of a minute: the three faces at once.
  it('none is turned away by a limit that nobody wrote', { timeout: 90_000 }, async () => {
    const { host, port, user, password, database } = postgres;
    await Promise.all(
      FACES.map(async ({ face, open }) => {
        const app = new Subject(open({ host, port, user, password, database }, { maxConnections: 2 }));
        await runCalls(380, 380, () => app.query('select pg_sleep(0.2)'));
        expect(app.complaints, face).toEqual([]);
        expect(longestMs(app.calls), face).toBeGreaterThan(35_000);
        await app.destroy();
      }),
    );
  });
});
