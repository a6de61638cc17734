import { expect, test } from 'vitest';
import { LoadCount } from '../../src/load/loadCount.js';
import type { LoadJob } from '../../src/load/loadTypes.js';

const JOB: LoadJob = {
  urls: [],
  method: 'GET',
  clients: 2,
  forMs: 1_000,
  untilAnswered: 0,
  maxMs: 4_000,
  maxRequests: 100,
  clientTimeoutMs: 500,
};

test('tells failed from timed out', () => {
  const count = new LoadCount(JOB, 0);
  count.response(200, 5, 10);
  count.response(500, 5, 10);
  count.response(504, 5, 10);
  count.timeout(510);
  count.connectionError(520);
  expect(count.progress()).toEqual({ answered: 1, failed: 2, timedOut: 2 });
});

test('a taken key is an answer, and counted as such', () => {
  const count = new LoadCount(JOB, 0);
  count.response(201, 5, 10);
  count.response(409, 5, 10);
  expect(count.result(1_000, 1)).toMatchObject({ answered: 2, conflicts: 1, failed: 0 });
});

test('only the answered have a latency, and only those of working clients a rate', () => {
  const count = new LoadCount(JOB, 0);
  count.response(200, 10, 500);
  count.response(500, 9_999, 600);
  count.response(200, 30, 1_000);
  count.response(200, 40, 1_200);
  expect(count.result(1_300, 7)).toMatchObject({
    answered: 3,
    perSecond: 2,
    ms: 1_000,
    p50Ms: 30,
    p99Ms: 40,
    cpuMs: 7,
  });
});

test('closes when the time is up, or later when too few are answered, but not later than it may', () => {
  const patient = new LoadCount({ ...JOB, untilAnswered: 2 }, 0);
  patient.response(200, 1, 1_500);
  expect(patient.closing).toBe(false);
  patient.response(200, 1, 1_600);
  expect(patient.closing).toBe(true);

  const hopeless = new LoadCount({ ...JOB, untilAnswered: 2 }, 0);
  hopeless.response(500, 1, 3_999);
  expect(hopeless.closing).toBe(false);
  hopeless.response(500, 1, 4_000);
  expect(hopeless.closing).toBe(true);
});
