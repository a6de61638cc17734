import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

type Message = Record<string, unknown>;

const undo: (() => void)[] = [];

afterEach(() => {
  for (const one of undo.splice(0)) one();
});

/** Collects what is published until the test ends. */
function messagesOf(...names: string[]): Message[] {
  const messages: Message[] = [];
  for (const name of names) {
    const note = (message: unknown) => void messages.push(message as Message);
    subscribe(name, note);
    undo.push(() => unsubscribe(name, note));
  }
  return messages;
}

/** The steps of an operation, in the order in which they were published. */
function stepsOf(name: string): { readonly step: string; readonly context: Message }[] {
  const steps: { step: string; context: Message }[] = [];
  const note = (step: string) => (context: object) => void steps.push({ step, context: context as Message });
  const handlers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  tracingChannel(name).subscribe(handlers);
  undo.push(() => tracingChannel(name).unsubscribe(handlers));
  return steps;
}

const SUCCEEDED = ['start', 'end', 'asyncStart', 'asyncEnd'];

describe('the context', () => {
  it('names the pool, its server and its figures, and no connection', async () => {
    const steps = stepsOf('tenure:pool:acquire');
    const fake = fakePool({ name: 'orders', maxConnections: 3 }, (server) => {
      Object.assign(server, { target: () => ({ serverAddress: 'db.example', serverPort: 5432, database: 'shop' }) });
    });
    await take(fake);
    expect(steps[0]!.context).toMatchObject({
      poolName: 'orders',
      serverAddress: 'db.example',
      serverPort: 5432,
      database: 'shop',
      used: 0,
      idle: 0,
      waiting: 0,
      max: 3,
    });
    expect(Object.values(steps[0]!.context)).not.toContain(fake.server.opened[0]);
    expect(steps[0]!.context.result).toBeUndefined();
  });

  it('names a pool without a name by its target, and an unknown target not at all', async () => {
    const closes = messagesOf('tenure:connection:close');
    const named = fakePool({}, (server) => {
      Object.assign(server, { target: () => ({ serverAddress: 'db.example', serverPort: 5432, database: 'shop' }) });
    });
    for (const fake of [named, fakePool()]) fake.pool.discard(await take(fake));
    await named.runtime.settle();
    expect(closes.map(({ poolName }) => poolName)).toEqual(['db.example:5432/shop', 'unnamed']);
  });
});

describe('tenure:pool:acquire', () => {
  it('has all steps, for a connection that is fresh as well as for one that is waited for', async () => {
    const fake = fakePool();
    await warm(fake, 1);
    const steps = stepsOf('tenure:pool:acquire');
    await take(fake);
    expect(steps.map(({ step }) => step)).toEqual(SUCCEEDED);
    await take(fake);
    expect(steps.map(({ step }) => step)).toEqual([...SUCCEEDED, ...SUCCEEDED]);
  });

  it('has one context for all steps of an acquire, which ends with how long it took', async () => {
    const fake = fakePool({}, (server) => {
      server.connecting = () => ({ afterMs: 40 });
    });
    const steps = stepsOf('tenure:pool:acquire');
    const acquiring = fake.pool.acquire();
    await fake.runtime.advance(50);
    await acquiring;
    expect(new Set(steps.map(({ context }) => context)).size).toBe(1);
    expect(steps[0]!.context).toMatchObject({ tookMs: 40 });
  });

  it('carries the error of a caller whose time is up, with figures and holders, also to who listens to errors only', async () => {
    const errors = messagesOf('tracing:tenure:pool:acquire:error');
    const fake = fakePool({ maxConnections: 1, acquireTimeoutMs: 500 });
    await take(fake);
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(500);
    expect(errors).toMatchObject([
      {
        poolName: 'unnamed',
        tookMs: 500,
        error: { code: 'TENURE_ACQUIRE_TIMEOUT', figures: { used: 1, waiting: 1 }, holders: [{ processId: 1001 }] },
      },
    ]);
    expect(waiting.error).toBe(errors[0]!.error);
  });

  it('runs the acquire within the store of a tracer', async () => {
    const store = new AsyncLocalStorage<object>();
    const { start } = tracingChannel('tenure:pool:acquire');
    start.bindStore(store);
    undo.push(() => start.unbindStore(store));
    const ends: unknown[] = [];
    const note = () => void ends.push((store.getStore() as Message | undefined)?.poolName);
    subscribe('tracing:tenure:pool:acquire:asyncEnd', note);
    undo.push(() => unsubscribe('tracing:tenure:pool:acquire:asyncEnd', note));
    await take(fakePool({ name: 'orders' }));
    expect(ends).toEqual(['orders']);
  });

  it('captures the caller of a leak all the same', async () => {
    stepsOf('tenure:pool:acquire');
    const fake = fakePool({ leakAfterMs: 1_000 });
    await take(fake);
    await fake.runtime.advance(1_000);
    expect(fake.warnings[0]!.holders![0]!.stack).toMatch(/^ *at take \(.*fakePool\.ts/);
  });
});

describe('operations on connections', () => {
  it('tenure:connection:open has all steps, and the error of a connect that failed', async () => {
    const steps = stepsOf('tenure:connection:open');
    const fake = fakePool({}, (server) => {
      server.connecting = () => (server.connects === 1 ? { error: new Error('refused') } : {});
    });
    fake.pool.acquire().catch(() => {});
    await fake.runtime.advance(1_000);
    expect(steps.map(({ step }) => step)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd', ...SUCCEEDED]);
    expect(steps[0]!.context).toMatchObject({ opening: 1, error: { message: 'refused' } });
  });

  it('tenure:connection:check names the connection and the level', async () => {
    const fake = fakePool({ healthBypassMs: 0 });
    await warm(fake, 1);
    await fake.runtime.advance(1_000);
    const steps = stepsOf('tenure:connection:check');
    await take(fake);
    expect(steps.map(({ step }) => step)).toEqual(SUCCEEDED);
    expect(steps[0]!.context).toMatchObject({ level: 'ping', processId: 1001, ageMs: 1_000, uses: 1 });
  });

  it('lets a subscriber use the pool at every step, since no message comes in the middle of one of its own', async () => {
    const fake = fakePool({ healthBypassMs: 0, maxConnections: 4 });
    await warm(fake, 3);
    const uses: { readonly settled: boolean; readonly error?: unknown }[] = [];
    const busy = () => {
      if (uses.length < 50) uses.push(follow(fake.pool.use(() => {})));
    };
    for (const name of ['tenure:connection:open', 'tenure:connection:check']) {
      const handlers = { start: busy, end: busy, asyncStart: busy, asyncEnd: busy, error: busy };
      tracingChannel(name).subscribe(handlers);
      undo.push(() => tracingChannel(name).unsubscribe(handlers));
    }
    subscribe('tenure:connection:close', busy);
    undo.push(() => unsubscribe('tenure:connection:close', busy));
    fake.server.opened[0]!.lose(new Error('restart'));
    await fake.runtime.advance(1_000);
    for (let use = 0; use < 4; use++) busy();
    await fake.runtime.advance(1_000);
    expect(uses.length).toBeGreaterThan(20);
    expect(uses.filter(({ settled, error }) => !settled || error)).toEqual([]);
    expect(fake.pool.figures).toMatchObject({ used: 0, waiting: 0 });
  });
});

describe('what happens to connections', () => {
  it('tenure:connection:close has the reason, the age, the uses and what ended it', async () => {
    const closes = messagesOf('tenure:connection:close');
    const fake = fakePool({ maxUses: 2 });
    for (let use = 0; use < 2; use++) fake.pool.release(await take(fake));
    const cause = new Error('terminated');
    (await take(fake)).lose(cause);
    fake.pool.release(fake.server.opened[1]!);
    await fake.runtime.settle();
    expect(closes).toMatchObject([
      { reason: 'max-uses', processId: 1001, uses: 2, ageMs: 0 },
      { reason: 'broken', processId: 1002, uses: 1, error: cause },
    ]);
  });

  it('tenure:connection:leak has the holder, tenure:pool:warning the code', async () => {
    const messages = messagesOf('tenure:connection:leak', 'tenure:pool:warning');
    const fake = fakePool({ leakAfterMs: 1_000 });
    await take(fake);
    await fake.runtime.advance(1_000);
    expect(messages).toHaveLength(2);
    expect(messages).toContainEqual(expect.objectContaining({ holder: expect.objectContaining({ heldMs: 1_000 }) }));
    expect(messages).toContainEqual(expect.objectContaining({ code: 'TENURE_LEAK', used: 1 }));
  });

  it('tenure:transaction:rollback has the connection', async () => {
    const rollbacks = messagesOf('tenure:transaction:rollback');
    const fake = fakePool();
    const connection = await take(fake);
    connection.status = 'transaction';
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(rollbacks).toMatchObject([{ processId: 1001, uses: 1 }]);
  });

  it('tenure:pool:resize has the limits that hold from now on', async () => {
    const resizes = messagesOf('tenure:pool:resize');
    const fake = fakePool({ maxConnections: 10 });
    fake.pool.resize({ maxConnections: 4 });
    await fake.runtime.settle();
    expect(resizes).toMatchObject([{ maxConnections: 4, reuseConnections: 4, minConnections: 0, max: 4 }]);
  });
});

it('a runtime without tracing channels has a pool all the same, and the other channels', async () => {
  const script = `
    import diagnostics from 'node:diagnostics_channel';
    import { syncBuiltinESMExports } from 'node:module';
    delete diagnostics.tracingChannel;
    syncBuiltinESMExports();
    const { createPool } = await import('@tenure/core');
    diagnostics.subscribe('tenure:connection:close', ({ reason }) => console.log(reason));
    const pool = createPool({ connect: async () => ({}), close: async () => {} });
    pool.discard(await pool.acquire());
    await pool.drain();
  `;
  const flags = ['--conditions=@tenure/source', '--import=tsx', '--input-type=module', '--eval', script];
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd });
  expect(stdout).toBe('discarded\n');
});
