import { words } from '../statements/functions.js';
import type { TextFacts } from '../statements/text.js';
import { Effect } from '../statements/text.js';

/** Fewer runs prove nothing. */
const FEWEST_RUNS = 20;
/**
 * A read is short while 95 of 100 of its runs take no longer than `ms`, and return no more than `bytes`. If half of all reads
 * take longer than a third of `ms`, the machine or the network is slow, not the read. The limit is then three times their time,
 * and `mostMs` at most. Only tests change these, for machines that do other work.
 */
export const shortness = { ms: 2, mostMs: 10, bytes: 16_384, surpriseMs: 20 };
/** A short read stays short until it is clearly longer: at the edge it would change its class with each run. */
const STAYS_BELOW = 2;
/** One run of this many times the usual time, and at least `surpriseMs`, takes the class away for this many runs. */
const SURPRISE_FACTOR = 10;
const RUNS_AFTER_SURPRISE = 100;

/** Functions that only read, but wait. */
const WAITS = /\bpg_sleep/i;

/** The limit for parameters, since what is sent before a query delays it as well. */
const LONGEST_VALUE = 8_192;

/**
 * Whether a text may be sent on a shared connection: one statement that reads, locks no rows, changes nothing, and calls only
 * functions that read.
 */
export function isSharedText(text: string, { kind, effect }: TextFacts): boolean {
  return kind === 'read' && effect === Effect.none && !WAITS.test(text);
}

/**
 * Copies parameters for a query that may wait; `undefined` if `pg` might fail to serialise one. An error in the middle of that
 * would leave half a query on the wire, with those of others behind it.
 */
export function copyOfValues(values: readonly unknown[]): unknown[] | undefined {
  const copy: unknown[] = [];
  for (const value of values) {
    if (Array.isArray(value)) {
      if (value.length > LONGEST_VALUE / 8 || !value.every(isPlain)) return undefined;
      copy.push([...value]);
    } else if (isPlain(value) || Buffer.isBuffer(value) || value instanceof Date) {
      if (Buffer.isBuffer(value) && value.length > LONGEST_VALUE) return undefined;
      copy.push(value);
    } else {
      return undefined;
    }
  }
  return copy;
}

function isPlain(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'string') return value.length <= LONGEST_VALUE;
  return PRIMITIVES.has(typeof value);
}

const PRIMITIVES = words('number bigint boolean');

/** Whether a text is short, by its runs. */
export class ShortRead {
  readonly #ms = new Quantile(0.95, 0.01);
  readonly #bytes = new Quantile(0.95, 16);
  readonly #all: Quantile;
  #runs = 0;
  #isShort = false;
  #runsToWait = 0;

  /** @param all the median duration of all reads of the database */
  constructor(all: Quantile) {
    this.#all = all;
  }

  get isShort(): boolean {
    return this.#isShort;
  }

  /** The duration that 95 of 100 runs do not exceed, in milliseconds. */
  get usualMs(): number {
    return this.#ms.value;
  }

  /**
   * @param ms the server's time as seen from here: from its sending, or the end of the answer before it if that was later
   * @param isBehind whether it was sent behind others: its answer then often came with theirs, and shows only that it was not
   * long
   */
  noteRun(ms: number, bytes: number, isBehind = false): void {
    if (isBehind && ms <= this.#ms.value) return;
    this.#runs++;
    const isSurprise = this.#runs > FEWEST_RUNS && ms > shortness.surpriseMs && ms > SURPRISE_FACTOR * this.#ms.value;
    this.#ms.add(ms);
    this.#bytes.add(bytes);
    if (!isBehind) this.#all.add(ms);
    if (isSurprise) this.#runsToWait = RUNS_AFTER_SURPRISE;
    else if (this.#runsToWait > 0) this.#runsToWait--;
    const factor = this.#isShort ? STAYS_BELOW : 1;
    this.#isShort =
      this.#runs >= FEWEST_RUNS &&
      this.#runsToWait === 0 &&
      this.#ms.value <= factor * this.#limitMs &&
      this.#bytes.value <= factor * shortness.bytes;
  }

  get #limitMs(): number {
    return Math.max(shortness.ms, Math.min(3 * this.#all.value, shortness.mostMs));
  }
}

/**
 * Estimates the value that a share of all values does not exceed, in constant time and memory. A value above raises it by a step.
 * Each other value lowers it by less, in proportion to their larger number.
 */
export class Quantile {
  readonly #share: number;
  readonly #smallestStep: number;
  #value = 0;
  #count = 0;

  constructor(share: number, smallestStep: number) {
    this.#share = share;
    this.#smallestStep = smallestStep;
  }

  get value(): number {
    return this.#value;
  }

  add(sample: number): void {
    // The first estimate is the largest of all, so that a text is short only after runs that were all short.
    if (++this.#count <= FEWEST_RUNS) {
      this.#value = Math.max(this.#value, sample);
      return;
    }
    const step = Math.max(0.2 * this.#value, this.#smallestStep);
    if (sample > this.#value) this.#value = Math.min(this.#value + step, sample);
    else this.#value = Math.max(this.#value - (step * (1 - this.#share)) / this.#share, sample);
  }
}
