/** Runs of either kind by which the usual pace of a text is known. */
const FIRST_RUNS = 5;
/** A run is slow that takes this many times the usual, and this much more. */
const SLOW_FACTOR = 3;
const SLOW_BY_MS = 1;
/** So many slow runs begin a trial; four times as many the next one, if that finds nothing. */
const FIRST_PATIENCE = 5;
/** A trial ends when prepared runs were slow this much more often than the others were, or were not for so many runs of either kind. */
const CLEARLY_MORE = 10;
const SHORT_TRIAL = 40;
const LONG_TRIAL = 200;

interface Runs {
  count: number;
  slow: number;
  ms: number;
}

interface Trial {
  readonly prepared: Runs;
  readonly others: Runs;
  sent: number;
}

/**
 * Whether the prepared runs of a text are slower than the others: after five runs PostgreSQL may plan a statement once for all values, and that
 * plan may be wrong for some. A slow run proves nothing, since other work and other values slow runs down as well. So after a few of them every
 * other run is sent unprepared, until the two can be compared.
 */
export class SlowPlanDetector {
  #usual = 0;
  #firstRuns = 0;
  #slowRuns = 0;
  #patience = FIRST_PATIENCE;
  #trial: Trial | undefined;

  /**
   * How the run that is sent now is to be sent. In turns, also where many are under way at once: what slows the machine down for a moment must
   * meet as many of one kind as of the other.
   */
  nextForm(): 'prepared' | 'other' {
    return this.#trial && ++this.#trial.sent % 2 === 0 ? 'other' : 'prepared';
  }

  /** A run has taken this long. True once prepared runs have turned out to be the slower ones. */
  noteRun(isPrepared: boolean, ms: number): boolean {
    if (this.#firstRuns < FIRST_RUNS) {
      this.#usual += (ms - this.#usual) / ++this.#firstRuns;
      return false;
    }
    const isSlow = ms > SLOW_FACTOR * this.#usual + SLOW_BY_MS;
    if (this.#trial) return this.#compare(this.#trial, isPrepared, isSlow, ms);
    if (isPrepared && isSlow && ++this.#slowRuns >= this.#patience) {
      this.#trial = { prepared: { count: 0, slow: 0, ms: 0 }, others: { count: 0, slow: 0, ms: 0 }, sent: 0 };
    }
    return false;
  }

  #compare({ prepared, others }: Trial, isPrepared: boolean, isSlow: boolean, ms: number): boolean {
    const runs = isPrepared ? prepared : others;
    runs.count++;
    runs.ms += ms;
    if (isSlow) runs.slow++;
    const more = prepared.slow - others.slow;
    if (more >= CLEARLY_MORE && prepared.slow >= 4 * others.slow) return true;
    if (others.count >= LONG_TRIAL || (others.count >= SHORT_TRIAL && more < 2)) {
      // All runs are slower than they were: this is what is usual now.
      this.#usual = Math.max(this.#usual, others.ms / others.count);
      this.#trial = undefined;
      this.#slowRuns = 0;
      this.#patience *= 4;
    }
    return false;
  }
}

/** So many statements, at least, are prepared again before that is judged. */
const SAMPLE = 100;
/** Preparing one costs about a fifth of what a use of it saves. Fewer uses than this, each, are not worth the trouble. */
const LEAST_USES = 2;

/**
 * Whether it pays to prepare statements again after a change. It does not where changes come faster than uses, as with a setting for each query,
 * or a temporary table for each request.
 */
export class ReuseRate {
  #preparedAgain = 0;
  #uses = 0;

  notePreparedAgain(): void {
    this.#preparedAgain++;
  }

  noteUse(): void {
    this.#uses++;
  }

  /** Something has changed again. `undefined` while there is too little to judge by. */
  judge(): 'pays' | 'does not pay' | undefined {
    if (this.#preparedAgain < SAMPLE) return undefined;
    const pays = this.#uses >= LEAST_USES * this.#preparedAgain;
    this.#preparedAgain = 0;
    this.#uses = 0;
    return pays ? 'pays' : 'does not pay';
  }
}
