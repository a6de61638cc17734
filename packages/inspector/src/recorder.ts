import { channel } from 'node:diagnostics_channel';
import { type PoolView, processPools } from '@tenure/core/adapter';
import { LOOK_EVERY_MS, PoolRecording, type WarningMessage } from './poolRecording.js';
import type { Update } from './protocol.js';

/** A reader that has not polled for this long counts as gone. */
const LEASE_MS = 10_000;
const MOST_POOLS = 50;

/** Warnings of all pools. A listener for the event of a pool would keep its warnings from `process.emitWarning`. */
const WARNINGS = channel('tenure:pool:warning');

/** The clock and the timers, which tests inject. */
export interface Time {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** @returns a function that stops it */
  every(ms: number, run: () => void): () => void;
}

const systemTime: Time = {
  now: () => performance.now(),
  every(ms, run) {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** A pool that the page shows, and its name there. */
export interface NamedPool {
  readonly name: string | undefined;
  readonly view: PoolView;
}

/** Records pools while a page polls. Without a reader it has no timer, no listener and no data. */
export class Recorder {
  readonly #pools: () => readonly NamedPool[];
  readonly #time: Time;
  #recording: Recording | undefined;
  #stopTimer: (() => void) | undefined;
  #readAt = 0;

  /** @param pools the pools that are shown; called again while it records */
  constructor(pools: () => readonly NamedPool[] = allPools, time: Time = systemTime) {
    this.#pools = pools;
    this.#time = time;
  }

  get isRecording(): boolean {
    return this.#recording !== undefined;
  }

  /** @param poolId the pool that the reader shows; by default the first */
  read(cursor: string | null, poolId: number | undefined): Update {
    this.#readAt = this.#time.now();
    this.#recording ??= this.#start();
    return this.#recording.read(cursor, poolId);
  }

  #start(): Recording {
    const recording = new Recording(this.#pools, this.#time);
    recording.look();
    this.#stopTimer = this.#time.every(LOOK_EVERY_MS, () => {
      if (this.#time.now() - this.#readAt > LEASE_MS) this.#stop();
      else recording.look();
    });
    return recording;
  }

  #stop(): void {
    this.#stopTimer?.();
    this.#recording?.stop();
    this.#recording = undefined;
  }
}

/** A number for each recording, so that a cursor of another recording, or of another process, is refused. */
function newNumber(): number {
  return Math.floor(Math.random() * 2 ** 40);
}

class Recording {
  readonly #pools: () => readonly NamedPool[];
  readonly #time: Time;
  readonly #number = newNumber();
  readonly #began: number;
  readonly #startedAt = Date.now();
  readonly #recorded = new Map<PoolView, { readonly id: number; readonly name: string; readonly of: PoolRecording }>();
  #lastId = 0;
  #unrecorded = 0;
  /** Rises with each read, so that what is added later is new to the next one. */
  #turn = 1;

  constructor(pools: () => readonly NamedPool[], time: Time) {
    this.#pools = pools;
    this.#time = time;
    this.#began = time.now();
    WARNINGS.subscribe(this.#warned);
  }

  look(): void {
    const shown = this.#pools().slice();
    for (const [view, { of }] of this.#recorded) {
      if (shown.some((pool) => pool.view === view)) continue;
      of.stop();
      this.#recorded.delete(view);
    }
    for (const pool of shown) {
      if (this.#recorded.size < MOST_POOLS && !this.#recorded.has(pool.view)) this.#add(pool);
    }
    this.#unrecorded = new Set(shown.map(({ view }) => view)).size - this.#recorded.size;
    for (const { of } of this.#recorded.values()) of.look();
  }

  read(cursor: string | null, poolId: number | undefined): Update {
    const since = this.#turnOf(cursor);
    const t = this.#t();
    const turn = this.#turn++;
    const pools = [...this.#recorded.values()];
    const shown = pools.find(({ id }) => id === poolId) ?? pools[0];
    const isNew = since === undefined || shown?.id !== poolId;
    return {
      cursor: `${this.#number}.${turn}`,
      isNew,
      t,
      startedAt: this.#startedAt,
      pools: pools.map(({ id, name, of }) => ({ id, name, figures: of.figures })),
      unrecorded: this.#unrecorded,
      pool: shown ? { id: shown.id, ...shown.of.since(isNew ? 0 : since) } : null,
    };
  }

  stop(): void {
    WARNINGS.unsubscribe(this.#warned);
    for (const { of } of this.#recorded.values()) of.stop();
  }

  readonly #warned = (message: unknown): void => {
    for (const { of } of this.#recorded.values()) of.warned(message as WarningMessage);
  };

  #add({ name, view }: NamedPool): void {
    const id = ++this.#lastId;
    const clock = () => ({ t: this.#t(), turn: this.#turn });
    this.#recorded.set(view, {
      id,
      name: this.#unique(name ?? defaultName(view, id)),
      of: new PoolRecording(view, clock),
    });
  }

  #unique(name: string): string {
    const taken = new Set(Array.from(this.#recorded.values(), (recorded) => recorded.name));
    let unique = name;
    for (let number = 2; taken.has(unique); number++) unique = `${name} (${number})`;
    return unique;
  }

  #t(): number {
    return Math.round(this.#time.now() - this.#began);
  }

  /** @returns `undefined` for a cursor of another recording */
  #turnOf(cursor: string | null): number | undefined {
    const [number, turn] =
      /^(\d{1,15})\.(\d{1,15})$/
        .exec(cursor ?? '')
        ?.slice(1)
        .map(Number) ?? [];
    return number === this.#number && turn! < this.#turn ? turn : undefined;
  }
}

/** The name of a pool without one: that of its database, as soon as it is known. */
function defaultName(view: PoolView, id: number): string {
  const { poolName } = view.stats();
  return poolName === 'unnamed' ? `pool ${id}` : poolName;
}

export function allPools(): NamedPool[] {
  return processPools()
    .list()
    .map((view) => ({ name: view.policy.name, view }));
}
