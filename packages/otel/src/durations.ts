/** Durations below this have one bucket for each microsecond. Above it, each power of ten has ninety buckets. */
const EXACT = 100;
const STEPS = 90;
const DECADES = 8;
const BUCKETS = EXACT + DECADES * STEPS;

/**
 * Counts durations until they are recorded. Recording one with OpenTelemetry's SDK costs many times as much as a checkout, so a checkout only
 * increments a count.
 * The durations of a bucket agree in their first two digits, so no bucket crosses a bound of a histogram with two digits. Each duration is recorded
 * as the mean of its bucket: number and sum are exact, and memory does not grow.
 */
export class Durations {
  readonly #counts = new Float64Array(BUCKETS);
  readonly #sums = new Float64Array(BUCKETS);

  add(durationMs: number): void {
    const bucket = bucketOf(durationMs);
    this.#counts[bucket]!++;
    this.#sums[bucket]! += durationMs;
  }

  /** Removes and returns what was added: the mean of each bucket in milliseconds, and how many durations it stands for. */
  take(): { readonly meanMs: number; readonly count: number }[] {
    const taken = [];
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) taken.push({ meanMs: this.#sums[bucket]! / count, count });
    }
    this.#counts.fill(0);
    this.#sums.fill(0);
    return taken;
  }
}

function bucketOf(durationMs: number): number {
  let digits = Math.max(0, durationMs * 1_000);
  if (digits < EXACT) return digits | 0;
  let decade = -1;
  while (digits >= EXACT && decade < DECADES - 1) {
    digits /= 10;
    decade++;
  }
  return (EXACT + decade * STEPS + Math.min(digits - EXACT / 10, STEPS - 1)) | 0;
}
