import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import type { Scope, Stage, Stages } from './stage.js';

const WRITES = 100;
const WRITE_EVERY_MS = 50;
const WRITE = 'insert into written default values';

/** The writer turns into a reader, and the name leads to another writer: what a managed database does when it fails over. */
export function failover(stages: Stages, scope: Scope): void {
  const { postgres } = stages;
  let successor: PostgresServer;

  beforeAll(async () => {
    successor = await startPostgres();
    for (const server of [postgres, successor]) {
      await server.admin('create table written (id serial primary key); alter table written owner to app');
    }
  });
  afterAll(() => successor.stop());
  beforeEach(async () => {
    await successor.admin('truncate written');
    // Registered first, this comes last: after the app has been drained.
    onTestFinished(async () => {
      await postgres.setReadOnly(false);
      await expect.poll(async () => (await successor.activity()).length).toBe(0);
    });
  });

  const failOver = async ({ proxy }: Pick<Stage, 'proxy'>) => {
    proxy.retarget(successor);
    await postgres.setReadOnly(true);
  };
  /** Writes for five seconds, one after the other, with the failover after the tenth. */
  const writeThroughFailover = async (stage: Stage) => {
    for (let write = 0; write < WRITES; write++) {
      if (write === 10) await failOver(stage);
      await Promise.all([stage.app.query(WRITE).catch(() => {}), sleep(WRITE_EVERY_MS)]);
    }
  };
  const writtenOnSuccessor = async () => {
    const [row] = await successor.admin<{ rows: number }>('select count(*)::int as rows from written');
    return row!.rows;
  };

  describe('writer becomes read-only, new connections reach the new writer; of 100 writes over 5 s', () => {
    it('one fails at most', async () => {
      const stage = await stages.warm(5);
      await writeThroughFailover(stage);
      console.info(`failover: ${stage.app.failed.length} of ${WRITES} writes failed`);
      expect(stage.app.calls).toHaveLength(WRITES);
      expect(stage.app.failed.length).toBeLessThanOrEqual(1);
      for (const complaint of stage.app.complaints) expect(complaint).toContain('read-only transaction');
      expect(await writtenOnSuccessor()).toBe(WRITES - 10 - stage.app.failed.length);
    });

    if (scope === 'some') return;

    it('none fails after the first check, with CONN_WRITABLE', async () => {
      const stage = await stages.warm(5, { writable: true, healthBypassMs: 0 });
      await writeThroughFailover(stage);
      expect(stage.app.complaints).toEqual([]);
      expect(stage.app.calls).toHaveLength(WRITES);
      expect(await writtenOnSuccessor()).toBe(WRITES - 10);
    });
  });

  it('a replica that is meant to be read-only keeps its connections, whatever is tried on it', async () => {
    await postgres.setReadOnly(true);
    const { app, proxy } = await stages.warm(3);
    for (let round = 0; round < 20; round++) {
      await expect(app.query(WRITE)).rejects.toThrow('read-only transaction');
      await app.query('select 1');
    }
    expect(proxy.connects).toHaveLength(3);
  });

  it('a write in a transaction that is READ ONLY is no news', async () => {
    const { app, proxy } = await stages.warm(3);
    for (let round = 0; round < 20; round++) {
      const writing = app.transaction(async (query) => {
        await query('set transaction read only');
        await query(WRITE);
      });
      await expect(writing).rejects.toThrow('read-only transaction');
    }
    await app.query(WRITE);
    expect(proxy.connects).toHaveLength(3);
  });
}
