/** Buckets for each doubling of the duration: a bucket is at most an eighth wider than its lower edge. */
const STEPS_LOG2 = 3;
const STEPS = 1 << STEPS_LOG2;
const BUCKETS = 32 * STEPS;
const LONGEST_US = 2 ** 31 - 1;

/** Counts durations in buckets of growing width, so that quantiles cost a fixed amount of memory. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #longest = 0;

  add(durationMs: number): void {
    this.#buckets[bucketOf(durationMs)]!++;
    if (durationMs > this.#longest) this.#longest = durationMs;
  }

  get longest(): number {
    return this.#longest;
  }

  /**
   * The duration that `share` of all durations do not exceed, at most an eighth (or a microsecond) too long; what took more than 35 minutes
   * counts as 35 minutes.
   *
   * @param total how many durations there were in all; those that were not added count as 0
   */
  quantile(share: number, total: number): number {
    let above = total - Math.ceil(share * total);
    for (let bucket = BUCKETS - 1; bucket >= 0; bucket--) {
      const count = this.#buckets[bucket]!;
      if (count > above) return Math.min(upperEdgeMs(bucket), this.#longest);
      above -= count;
    }
    return 0;
  }
}

/** Whole microseconds: the place of the highest bit picks the doubling, the three bits below it the step. Integers only: this is a hot path. */
function bucketOf(durationMs: number): number {
  const us = Math.min(durationMs * 1_000, LONGEST_US) | 0;
  if (us < STEPS) return us;
  const doubling = 31 - Math.clz32(us) - STEPS_LOG2;
  return (doubling << STEPS_LOG2) + (us >> doubling);
}

function upperEdgeMs(bucket: number): number {
  if (bucket < STEPS) return (bucket + 1) / 1_000;
  const doubling = (bucket >> STEPS_LOG2) - 1;
  return (((bucket & (STEPS - 1)) + STEPS + 1) * 2 ** doubling) / 1_000;
}
