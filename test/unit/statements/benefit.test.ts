import { describe, expect, it } from 'vitest';
import { SlowPlanDetector } from '../../../packages/core/src/postgres/statements/benefit.js';

/** Runs a text, unprepared at first and where it wants to. Returns how many runs it took to find that prepared ones are slower. */
function runs(most: number, ms: (isPrepared: boolean, run: number) => number): number | undefined {
  const pace = new SlowPlanDetector();
  for (let run = 1; run <= most; run++) {
    const isPrepared = run > 4 && pace.nextForm() === 'prepared';
    if (pace.noteRun(isPrepared, ms(isPrepared, run))) return run;
  }
  return undefined;
}

describe('A text', () => {
  it('whose prepared runs are slower is found out within forty of them', () => {
    expect(runs(1_000, (isPrepared) => (isPrepared ? 47 : 0.6))).toBeLessThan(40);
  });

  it('of which every third prepared run is slower is found out too', () => {
    expect(runs(1_000, (isPrepared, run) => (isPrepared && run % 3 === 0 ? 47 : 0.6))).toBeLessThan(150);
  });

  it('whose runs are all slower than they were, since the machine is busy, is kept', () => {
    expect(runs(5_000, (_isPrepared, run) => (run < 100 ? 0.6 : 20))).toBe(undefined);
  });

  it('that is slow now and then, prepared or not, is kept', () => {
    expect(runs(50_000, (_isPrepared, run) => (run % 7 === 0 ? 30 : 0.6))).toBe(undefined);
  });

  it('whose runs are under way ten at a time, and slow by the burst, is kept', () => {
    const pace = new SlowPlanDetector();
    const bursts = Array.from({ length: 5_000 }, (_, burst) => (burst % 5 === 4 ? 30 : 0.6));
    for (const ms of bursts) {
      const kinds = Array.from({ length: 10 }, () => pace.nextForm() === 'prepared');
      for (const isPrepared of kinds) expect(pace.noteRun(isPrepared, ms)).toBe(false);
    }
  });

  it('is compared less and less often where nothing is found', () => {
    const pace = new SlowPlanDetector();
    let others = 0;
    for (let run = 1; run <= 20_000; run++) {
      const isPrepared = run > 4 && pace.nextForm() === 'prepared';
      if (!isPrepared) others++;
      pace.noteRun(isPrepared, run % 7 === 0 ? 30 : 0.6);
    }
    expect(others).toBeLessThan(600);
  });
});
