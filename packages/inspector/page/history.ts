import type { FigureSample, LaneUpdate, LogEntry, PoolUpdate, RateSample, Update } from '../src/protocol.js';

/** The page drops what is older. */
const KEPT_MS = 5 * 60_000;
const LOG_KEPT = 100;

/** One connection's life, as far as the page has it. */
export interface Lane extends Omit<LaneUpdate, 'phases' | 'marks'> {
  readonly phases: LaneUpdate['phases'][number][];
  readonly marks: LaneUpdate['marks'][number][];
}

/** The page's data of one pool. */
export class History {
  readonly poolId: number;
  readonly startedAt: number;
  readonly figures: FigureSample[] = [];
  readonly rates: RateSample[] = [];
  readonly lanes = new Map<number, Lane>();
  readonly log: LogEntry[] = [];
  t = 0;
  pool: PoolUpdate;
  policy: NonNullable<PoolUpdate['policy']>;

  constructor(startedAt: number, pool: PoolUpdate) {
    this.startedAt = startedAt;
    this.poolId = pool.id;
    this.pool = pool;
    this.policy = pool.policy ?? ({} as History['policy']);
  }

  add(t: number, pool: PoolUpdate): void {
    this.t = t;
    this.pool = pool;
    if (pool.policy) this.policy = pool.policy;
    this.figures.push(...pool.figures);
    this.rates.push(...pool.rates);
    this.log.push(...pool.log);
    for (const update of pool.lanes) this.#addLane(update);
    this.#forget(t - KEPT_MS);
  }

  /** The sum of the rates of the last minute, or of `ms`. */
  last(ms = 60_000): { acquired: number; opened: number; forMs: number } {
    const sum = { acquired: 0, opened: 0, forMs: 0 };
    for (const { t, acquired, opened, forMs } of this.rates) {
      if (t <= this.t - ms) continue;
      sum.acquired += acquired;
      sum.opened += opened;
      sum.forMs += forMs;
    }
    return sum;
  }

  #addLane({ phases, marks, ...life }: LaneUpdate): void {
    const known = this.lanes.get(life.id);
    this.lanes.set(life.id, {
      ...life,
      phases: [...(known?.phases ?? []), ...phases],
      marks: [...(known?.marks ?? []), ...marks],
    });
  }

  #forget(before: number): void {
    dropBefore(this.figures, before);
    dropBefore(this.rates, before);
    this.log.splice(0, this.log.length - LOG_KEPT);
    for (const lane of this.lanes.values()) {
      if (lane.end && lane.end.t < before) this.lanes.delete(lane.id);
      // The last phase before that moment goes on after it, so it stays.
      while (lane.phases.length > 1 && lane.phases[1]![0] < before) lane.phases.shift();
      while (lane.marks.length > 0 && lane.marks[0]![0] < before) lane.marks.shift();
    }
  }
}

/** The history after one more update. */
export function follow(history: History | undefined, { isNew, startedAt, t, pool }: Update): History | undefined {
  if (!pool) return undefined;
  const next = isNew || !history || history.poolId !== pool.id ? new History(startedAt, pool) : history;
  next.add(t, pool);
  return next;
}

function dropBefore(samples: { readonly t: number }[], before: number): void {
  const first = samples.findIndex(({ t }) => t >= before);
  samples.splice(0, first < 0 ? samples.length : first);
}
