import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Stages } from './stage.js';

/** The server ends a session that a transaction holds, while no query is in flight on it. */
export function endings(stages: Stages): void {
  const { postgres } = stages;
  const timeouts = {
    idle_in_transaction_session_timeout: /idle-in-transaction timeout/,
    transaction_timeout: /transaction timeout/,
  };

  it.each(Object.entries(timeouts))('%s: the next statement names it', async (setting, reason) => {
    const { app } = await stages.warm(2);
    let heard: unknown;
    const ended = app.transaction(async (query) => {
      await query(`set local ${setting} = 200`);
      await sleep(700);
      await query('select 1').catch((error) => {
        heard = error;
        throw error;
      });
    });
    // Knex gives its caller the error of the rollback, which fails too.
    expect(wordsOf(await ended.catch((error) => error))).toMatch(reason);
    expect(wordsOf(heard)).toMatch(reason);
    await app.query('select 1');
  });

  it('an administrator: the next statement, and the one after it, name it', async () => {
    const { app } = await stages.warm(2);
    const heard: unknown[] = [];
    const ended = app.transaction(async (query) => {
      await query(`select 'the victim'`);
      const victim = (await postgres.activity()).find((backend) => backend.state === 'idle in transaction');
      await postgres.terminateBackends({ pid: victim!.pid });
      await sleep(100);
      for (let statement = 0; statement < 2; statement++) await query('select 1').catch((error) => heard.push(error));
      throw heard[0];
    });
    await expect(ended).rejects.toThrow();
    for (const error of heard) expect(wordsOf(error)).toMatch(/administrator command/);
    expect(heard).toHaveLength(2);
    await app.query('select 1');
  });
}

/** The messages of an error and its causes; Prisma keeps those of an adapter in `meta`. */
export function wordsOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { message, originalMessage, cause, meta } = error as Record<string, unknown> & {
    meta?: { driverAdapterError?: unknown };
  };
  return [message, originalMessage, wordsOf(cause), wordsOf(meta?.driverAdapterError)].filter(Boolean).join('; ');
}
