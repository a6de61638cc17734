import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeConnection, FakeConnector, Outcome } from '../../support/fakeConnector.js';
import { fakePool, warm } from '../../support/fakePool.js';

/** How each of the four operations may go. Slow is later than the pool waits before it looks for another, and sooner than it gives up. */
const OUTCOMES = {
  succeeds: {},
  fails: { afterMs: 5, error: new Error('it failed') },
  'is slow': { afterMs: 250 },
  'never ends': 'never',
} as const satisfies Record<string, Outcome>;

type Way = keyof typeof OUTCOMES;
const WAYS = Object.keys(OUTCOMES) as Way[];

interface Case {
  readonly connect: Way;
  readonly check: Way;
  readonly reset: Way;
  readonly close: Way;
  readonly cancelled: boolean;
}

const MAX = 3;
const CALLERS = 8;
const ACQUIRE_TIMEOUT_MS = 2_000;
const DRAIN_MS = 1_000;
/** Longer than anything that has a limit. */
const LONG_MS = 20_000;

const POLICY = {
  maxConnections: MAX,
  acquireTimeoutMs: ACQUIRE_TIMEOUT_MS,
  connectTimeoutMs: 1_000,
  healthTimeoutMs: 500,
  // Every reuse is checked, every return is reset.
  healthBypassMs: 0,
  reset: 'session',
  keepaliveMs: 'none',
} as const;

/** All combinations: 256, each with patient callers and with callers of whom some give up. */
const GRID: Case[] = WAYS.flatMap((connect) =>
  WAYS.flatMap((check) =>
    WAYS.flatMap((reset) =>
      WAYS.flatMap((close) => [false, true].map((cancelled) => ({ connect, check, reset, close, cancelled }))),
    ),
  ),
);

/** One caller, and how often it was answered. */
interface Caller {
  readonly deadline: number;
  answers: number;
  answeredAt: number;
}

/** Goes through one case, and lists what was wrong. */
async function play({ connect, check, reset, close, cancelled }: Case): Promise<string[]> {
  const fake = fakePool(POLICY);
  const { pool, server, runtime } = fake;
  const wrong: string[] = [];
  watchSize(server, wrong);
  // Two that were opened when all was well: without them no check and no reset would run where connects never succeed.
  await warm(fake, 2);
  Object.assign(server, {
    connecting: () => OUTCOMES[connect],
    pinging: () => OUTCOMES[check],
    resetting: () => OUTCOMES[reset],
    closing: () => OUTCOMES[close],
  });
  await runtime.advance(1_000);

  const hands = new Set<FakeConnection>();
  const callers: Caller[] = [];
  const call = (index: number) => {
    const abort = cancelled && index % 3 === 0 ? new AbortController() : undefined;
    const caller: Caller = { deadline: runtime.time + ACQUIRE_TIMEOUT_MS, answers: 0, answeredAt: Number.NaN };
    callers.push(caller);
    const answered = () => {
      caller.answers++;
      caller.answeredAt = runtime.time;
    };
    pool.acquire(abort && { signal: abort.signal }).then((connection) => {
      answered();
      if (hands.has(connection)) wrong.push(`connection ${connection.id} was lent twice`);
      if (!connection.isOpen) wrong.push(`connection ${connection.id} was lent although it is closed`);
      hands.add(connection);
      // The first of those whom the drain surprises never gives back what it has.
      if (index === 2 * CALLERS) return;
      // One in three leaves a transaction open, one in three comes back after an error, one in four is lost in use.
      runtime.after(20, () => {
        hands.delete(connection);
        if (index % 3 === 1) connection.status = 'transaction';
        if (index % 4 === 3) connection.lose(new Error('lost in use'));
        pool.release(connection, index % 3 === 2 ? new Error('a query failed') : undefined);
      });
    }, answered);
    if (abort) runtime.after(10 * index, () => abort.abort());
  };
  for (let index = 0; index < CALLERS; index++) call(index);
  await runtime.advance(700);
  for (let index = CALLERS; index < 2 * CALLERS; index++) call(index);
  await runtime.advance(ACQUIRE_TIMEOUT_MS);

  // The drain comes in the middle of their checks and resets.
  for (let index = 2 * CALLERS; index < 3 * CALLERS; index++) call(index);
  await runtime.advance(30);

  let drained = false;
  void pool.drain(DRAIN_MS).then(() => {
    drained = true;
  });
  // Dropped connections are closed within the time limit of a close.
  await runtime.advance(DRAIN_MS + POLICY.healthTimeoutMs);
  for (const [index, { answers, answeredAt, deadline }] of callers.entries()) {
    if (answers !== 1) wrong.push(`caller ${index} was answered ${answers} times`);
    if (answeredAt > deadline) wrong.push(`caller ${index} was answered ${answeredAt - deadline} ms late`);
  }

  if (!drained) wrong.push('the drain did not end');
  if (pool.connections().length > 0) wrong.push(`${pool.connections().length} connections are left in the pool`);
  await runtime.advance(LONG_MS);
  if (server.live.length > 0) wrong.push(`${server.live.length} connections are left on the server`);
  if (runtime.timers > 0) wrong.push(`${runtime.timers} timers are left`);
  return wrong;
}

/** Counts as the server would: what is open, and what is being opened. */
function watchSize(server: FakeConnector, wrong: string[]): void {
  let connecting = 0;
  const connect = server.connect.bind(server);
  server.connect = async (signal, ...rest) => {
    connecting++;
    let counted = true;
    const uncount = () => {
      if (counted) connecting--;
      counted = false;
    };
    signal.addEventListener('abort', uncount);
    if (server.live.length + connecting > MAX) wrong.push(`${server.live.length + connecting} connections of ${MAX}`);
    try {
      return await connect(signal, ...rest);
    } finally {
      uncount();
    }
  };
}

const stray: unknown[] = [];
const onStray = (error: unknown) => stray.push(error);
beforeAll(() => void process.on('unhandledRejection', onStray).on('uncaughtException', onStray));
afterAll(() => void process.off('unhandledRejection', onStray).off('uncaughtException', onStray));

describe.each(WAYS)('when a connect %s', (connect) => {
  it.each(WAYS)(
    'and a check %s, whatever resets and closes do: each caller is answered once and in time, nothing is left',
    async (check) => {
      const cases = GRID.filter((one) => one.connect === connect && one.check === check);
      expect(cases).toHaveLength(2 * WAYS.length ** 2);
      const wrong: Record<string, string[]> = {};
      for (const one of cases) {
        const found = await play(one);
        if (found.length > 0)
          wrong[`reset ${one.reset}, close ${one.close}${one.cancelled ? ', some give up' : ''}`] = found;
      }
      expect(wrong).toEqual({});
      expect(stray).toEqual([]);
    },
  );
});
