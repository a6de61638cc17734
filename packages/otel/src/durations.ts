/** Microseconds below this have a bucket each; above it each power of ten has ninety. */
const EXACT = 100;
const STEPS = 90;
const DECADES = 8;
const BUCKETS = EXACT + DECADES * STEPS;

/**
 * Durations that wait to be recorded. Recording one with OpenTelemetry's SDK costs many times what a checkout costs, so a checkout only counts here.
 *
 * A bucket holds durations that agree in their first two digits, so that it never crosses a bound of a histogram with two digits. Each duration is
 * recorded as the mean of its bucket: their number and their sum are exact, and no memory grows.
 */
export class Durations {
  readonly #counts = new Float64Array(BUCKETS);
  readonly #sums = new Float64Array(BUCKETS);

  add(durationMs: number): void {
    const bucket = bucketOf(durationMs);
    this.#counts[bucket]!++;
    this.#sums[bucket]! += durationMs;
  }

  /** Takes out what was added: each mean in milliseconds, and for how many durations it stands. */
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
