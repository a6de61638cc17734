/** The steps of a script, one after the other. */
export type Step =
  /** Uses the extended protocol with values, and the simple one without. */
  | { readonly do: 'query'; readonly text: string; readonly values?: readonly unknown[] }
  /** Runs on one connection, which is returned after it. Prisma has no such thing, and takes any. */
  | { readonly do: 'session'; readonly steps: readonly Step[] }
  | { readonly do: 'transaction'; readonly steps: readonly Step[]; readonly end: 'commit' | 'rollback' }
  /** Runs in a session of another process, which ends at once. */
  | { readonly do: 'elsewhere'; readonly text: string }
  | { readonly do: 'wait'; readonly forMs: number };

export interface Script {
  readonly steps: readonly Step[];
  /** The maximum of both pools. */
  readonly connections: number;
  /** The policy of Tenure's pool. */
  readonly policy: Readonly<Record<string, unknown>>;
}

export const HOSTS = ['pool', 'knex', 'prisma'] as const;
export type Host = (typeof HOSTS)[number];

/** A kind of script: add a file beside `kinds/statements.ts`, and name it in `kinds/index.ts`. */
export interface Kind {
  readonly name: string;
  /** Hosts it is about. */
  readonly hosts: readonly Host[];
  /** Roles and the like, which all databases share. Run by the superuser, once. */
  readonly cluster: string;
  /** Makes the tables of an empty database. Run by the superuser. */
  readonly schema: string;
  /** Fills the tables, whatever they contain. The app runs it before each script. */
  readonly data: string;
  write(random: Random, host: Host): Script;
  /** Looks at what all scripts of a host have done to Tenure's pools: a script that tests nothing must not pass. */
  checkStats?(stats: readonly PoolStats[], host: Host): void;
}

/** The statistics of Tenure's pool at the end of a script. */
export type PoolStats = Readonly<Record<string, unknown>>;

/** Chance that a seed repeats: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number below the limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}
