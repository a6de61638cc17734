/** The usual time of a text is the mean of this many runs. */
const FIRST_RUNS = 5;
/** A run is slow if it takes more than this many times the usual time, and this much on top. */
const SLOW_FACTOR = 3;
const SLOW_BY_MS = 1;
/** This many slow runs begin a trial; four times as many begin the next one, if the first finds nothing. */
const FIRST_TRIAL_AFTER = 5;
/** A trial ends when prepared runs were slow this much more often than the others, or after this many runs of either kind without that result. */
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
 * Finds texts whose prepared runs are slower: after five runs PostgreSQL may choose one generic plan for all values, which may be
 * wrong for some. A slow run proves nothing, since other work and other values slow runs down as well. So after a few slow runs
 * every other run is sent unprepared, until the two kinds can be compared.
 */
export class SlowPlanDetector {
  #usual = 0;
  #firstRuns = 0;
  #slowRuns = 0;
  #trialAfter = FIRST_TRIAL_AFTER;
  #trial: Trial | undefined;

  /** Whether the two kinds are being compared. */
  get isComparing(): boolean {
    return this.#trial !== undefined;
  }

  /**
   * Decides how the next run is sent. During a trial the two kinds alternate, even if many are in flight at once: a slow moment
   * of the machine must affect as many runs of one kind as of the other.
   */
  nextForm(): 'prepared' | 'other' {
    return this.#trial && ++this.#trial.sent % 2 === 0 ? 'other' : 'prepared';
  }

  /** Notes how long a run took. Returns true once prepared runs have proved to be slower. */
  noteRun(isPrepared: boolean, ms: number): boolean {
    if (this.#firstRuns < FIRST_RUNS) {
      this.#usual += (ms - this.#usual) / ++this.#firstRuns;
      return false;
    }
    const isSlow = ms > SLOW_FACTOR * this.#usual + SLOW_BY_MS;
    if (this.#trial) return this.#compare(this.#trial, isPrepared, isSlow, ms);
    if (isPrepared && isSlow && ++this.#slowRuns >= this.#trialAfter) {
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
      // All runs have become slower, so this is the usual time now.
      this.#usual = Math.max(this.#usual, others.ms / others.count);
      this.#trial = undefined;
      this.#slowRuns = 0;
      this.#trialAfter *= 4;
    }
    return false;
  }
}

/** The rate is judged after this many statements were prepared again. */
const SAMPLE = 100;
/** Below this many uses of each prepared statement, preparing does not pay. To prepare one costs about a fifth of what one use of it saves. */
const LEAST_USES = 2;

/**
 * Judges whether it pays to prepare statements again after a change. It does not if changes come faster than uses, as with a
 * setting for each query, or a temporary table for each request.
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

  /** Judges at a further change, and starts a new count; `undefined` while there are too few uses. */
  judge(): 'pays' | 'does not pay' | undefined {
    if (this.#preparedAgain < SAMPLE) return undefined;
    const pays = this.#uses >= LEAST_USES * this.#preparedAgain;
    this.#preparedAgain = 0;
    this.#uses = 0;
    return pays ? 'pays' : 'does not pay';
  }
}
