import { describe, expect, it } from 'vitest';
import { duration, percent } from '../../../packages/inspector/page/format.js';
import { follow } from '../../../packages/inspector/page/history.js';
import { spellsOf } from '../../../packages/inspector/page/spells.js';
import { verdictOf } from '../../../packages/inspector/page/verdict.js';
import { Recorder } from '../../../packages/inspector/src/recorder.js';
import { fakePool, follow as followPromise, take } from '../../support/fakePool.js';

/** The page's verdict on a pool after its life so far. */
function watched(fake: ReturnType<typeof fakePool>) {
  let look = () => {};
  const time = {
    now: () => fake.runtime.time,
    every: (_: number, run: () => void) => {
      look = run;
      return () => {};
    },
  };
  const recorder = new Recorder(() => [{ name: 'orders', view: fake.pool }], time);
  let update = recorder.read('', undefined);
  let history = follow(undefined, update);
  return {
    history: () => history!,
    async after(ms: number) {
      for (let passed = 0; passed < ms; passed += 250) {
        await fake.runtime.advance(250);
        look();
      }
      update = recorder.read(update.cursor, 1);
      history = follow(history, update);
      return verdictOf(history!);
    },
  };
}

describe('the first line', () => {
  it('is quiet without checkouts, and then says how many found an open connection', async () => {
    const fake = fakePool();
    const page = watched(fake);
    expect(await page.after(1_000)).toMatchObject({ word: 'Quiet', level: 'quiet' });
    for (let i = 0; i < 200; i++) fake.pool.release(await take(fake));
    expect(await page.after(1_000)).toEqual({
      word: 'Reused',
      level: 'good',
      sentence: '99.5 % of 200 checkouts in the last minute found a connection that was open.',
    });
  });

  it('says that connections are not reused', async () => {
    const fake = fakePool({ maxUses: 1 });
    const page = watched(fake);
    for (let i = 0; i < 20; i++) fake.pool.release(await take(fake));
    expect(await page.after(1_000)).toMatchObject({
      word: 'Not reused',
      sentence: '1,000 of 1,000 checkouts opened a connection in the last minute.',
    });
  });

  it('says that the pool is full', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const page = watched(fake);
    await take(fake);
    followPromise(fake.pool.acquire());
    expect(await page.after(250)).toMatchObject({
      word: 'Full',
      sentence: 'The only connection is in use, and 1 caller waits.',
    });
  });

  it('says that a connection is held for longer than the threshold', async () => {
    const fake = fakePool({ leakAfterMs: 2_000 });
    const page = watched(fake);
    await take(fake);
    expect(await page.after(1_750)).toMatchObject({ word: 'Reused' });
    expect(await page.after(500)).toMatchObject({ word: 'Held', sentence: 'A connection has been held for 2.25 s.' });
  });

  it('says that the server is away', async () => {
    const fake = fakePool();
    fake.server.connecting = () => ({ error: Object.assign(new Error(), { code: 'ECONNREFUSED' }) });
    const page = watched(fake);
    followPromise(fake.pool.acquire());
    expect(await page.after(1_000)).toMatchObject({
      word: 'Not connected',
      sentence: 'No connection is open. The last attempt failed: connect (ECONNREFUSED).',
    });
  });
});

describe('the page', () => {
  it('keeps five minutes', async () => {
    const fake = fakePool({ maxUses: 1 });
    const page = watched(fake);
    for (let i = 0; i < 80; i++) {
      fake.pool.release(await take(fake));
      await page.after(5_000);
    }
    const { figures, rates, lanes, log } = page.history();
    expect(figures.length).toBeLessThanOrEqual(1_201);
    expect(rates.length).toBeLessThanOrEqual(301);
    expect(lanes.size).toBeLessThanOrEqual(62);
    expect(log.length).toBe(80);
  });

  it('draws a connection that one caller holds for a second as held', () => {
    const lane = { id: 1, born: 0, uses: 2, checks: 0, resets: 0, marks: [] };
    const phases: [number, 'u' | 'h' | 'i'][] = [
      [100, 'u'],
      [350, 'h'],
      [600, 'u'],
      [850, 'h'],
      [2_000, 'i'],
    ];
    expect(spellsOf({ ...lane, phases }, 2_500).map(({ from, to, colour }) => [from, to, colour])).toEqual([
      [0, 100, 'idle'],
      [100, 350, 'busy'],
      [350, 600, 'busy'],
      [600, 850, 'busy'],
      [850, 2_000, 'held'],
      [2_000, 2_500, 'idle'],
    ]);
  });

  it.each([
    [0, '0 ms'],
    [0.4, '0.4 ms'],
    [12.34, '12.3 ms'],
    [999, '999 ms'],
    [1_500, '1.5 s'],
    [61_000, '1 min 1 s'],
    [7_260_000, '2 h 1 min'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it('does not round a share up to all', () => {
    expect([percent(1), percent(0.99999), percent(0.9984), percent(0.5)]).toEqual([
      '100 %',
      '99.99 %',
      '99.84 %',
      '50 %',
    ]);
  });
});
