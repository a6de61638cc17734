import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { step } from '../../support/step.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<never>(() => {});

it('hands the result on, and says nothing of a step that is quick', async () => {
  const onSlow = vi.fn();
  expect(await step('Starting', onSlow, Promise.resolve('started'))).toBe('started');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(onSlow).not.toHaveBeenCalled();
});

it('says every two seconds what a step is that takes longer', async () => {
  const onSlow = vi.fn();
  step('Starting', onSlow, never).catch(() => {});
  await vi.advanceTimersByTimeAsync(1_999);
  expect(onSlow).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_001);
  expect(onSlow.mock.calls).toEqual([['Starting: 2 s …'], ['Starting: 4 s …']]);
});

it('gives up after 25 s, and says which step it was', async () => {
  const outcome = expect(step('Starting', () => {}, never)).rejects.toThrow(/^Starting: it has not ended after 25 s\./);
  await vi.advanceTimersByTimeAsync(25_000);
  await outcome;
});

it('names the step that failed, with the cause and what to do', async () => {
  const failure = new Error('ENOSPC: no space left on device, write');
  await expect(step('Starting', () => {}, Promise.reject(failure))).rejects.toMatchObject({
    name: 'CannotStartError',
    message: expect.stringMatching(/^Starting failed: no space is left in the temporary folder .*TMPDIR=/),
    cause: failure,
  });
});
