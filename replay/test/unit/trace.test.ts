import { expect, test } from 'vitest';
import { TraceRecorder } from '../../src/watch/trace.js';

const at = (second: number) => 1_000 + second;

test('a backend works while it is active or has begun another query since the last look', () => {
  const recorder = new TraceRecorder();
  const look = (second: number, queryAt: number, active: boolean) =>
    recorder.add(at(second), [{ pid: 7, bornAt: at(0.05), queryAt: at(queryAt), active }]);
  look(0.1, 0.06, false);
  look(0.2, 0.06, false);
  look(0.3, 0.25, false);
  look(0.4, 0.25, true);
  look(0.5, 0.25, false);
  const [line] = recorder.trace(1_000).lifelines;
  expect(line!.worked.map(({ from, to }) => [from, to].map((time) => time.toFixed(2)))).toEqual([
    ['0.05', '0.10'],
    ['0.20', '0.40'],
  ]);
  expect(line!.lastSeenAt).toBeCloseTo(0.5);
});

test('a process ID that comes again is another backend', () => {
  const recorder = new TraceRecorder();
  recorder.add(at(1), [{ pid: 7, bornAt: at(0.9), queryAt: null, active: false }]);
  recorder.add(at(2), []);
  recorder.add(at(3), [{ pid: 7, bornAt: at(2.9), queryAt: null, active: false }]);
  const { samples, lifelines } = recorder.trace(1_000);
  expect(samples.map(({ connections }) => connections)).toEqual([1, 0, 1]);
  expect(lifelines.map(({ pid }) => pid)).toEqual([7, 7]);
});
