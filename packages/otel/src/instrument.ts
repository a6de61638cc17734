import {
  type Attributes,
  type BatchObservableCallback,
  type Histogram,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
} from '@opentelemetry/api';
import { type PoolStats, TenureUsageError } from '@tenure/core';
import { ENGINE, type UseObserver } from '@tenure/core/adapter';
import { Durations } from './durations.js';
import { BUCKETS, DURATIONS, METRICS, type Metric } from './metrics.js';

/** A pool that can be instrumented: one of `createPool`, a `Pool` of `@tenure/core/pg`, Knex's `poolOf(db)`, or Prisma's `prisma.$pool`. */
export interface InstrumentedPool {
  stats(): PoolStats;
}

export interface InstrumentOptions {
  /** Default: the global one at the time of the call. */
  readonly meterProvider?: MeterProvider | undefined;
}

/** The members of Tenure's engine that are used here. The engine may come from another copy of the core. */
interface Engine {
  observe(observer: UseObserver): () => void;
  on(event: 'opened', listener: (connection: object, tookMs: number) => void): unknown;
  off(event: 'opened', listener: (connection: object, tookMs: number) => void): unknown;
}

/** Durations recorded before other work of the process gets its turn: about a millisecond. */
const IN_A_ROW = 500;

/**
 * Publishes the metrics of a pool: all of OpenTelemetry's semantic conventions for connection pools, and under `tenure.*` the metrics that they lack.
 * Everything but the durations is read from `stats()` when metrics are collected. Durations are counted from this call on, and recorded when metrics
 * are collected.
 *
 * @returns a function that stops publishing. Call it when the pool is closed: until then the pool stays in memory
 * @throws TenureUsageError when this is not a pool of Tenure
 */
export function instrument(pool: InstrumentedPool, { meterProvider }: InstrumentOptions = {}): () => void {
  if (typeof pool?.stats !== 'function') {
    throw new TenureUsageError(
      'instrument() takes a pool of Tenure: poolOf(db) with Knex, prisma.$pool with Prisma, a Pool of @tenure/core/pg, or what createPool() returns.',
    );
  }
  const meter = (meterProvider ?? metrics.getMeterProvider()).getMeter('@tenure/otel');
  const timings = new Timings(pool, meter);
  const name = new PoolName();
  const instruments = Object.entries(METRICS).map(([metric, its]) => ({ its, instrument: make(meter, metric, its) }));
  const observe: BatchObservableCallback = async (result) => {
    const stats = pool.stats();
    const attributes = name.attributesOf(stats);
    if (attributes === undefined) return;
    for (const { its, instrument: one } of instruments) {
      for (const [value, more] of its.read(stats)) result.observe(one, value, { ...attributes, ...more });
    }
    timings.attach();
    await timings.record(attributes);
  };
  const observed = instruments.map(({ instrument: one }) => one);
  meter.addBatchObservableCallback(observe, observed);
  return () => {
    meter.removeBatchObservableCallback(observe, observed);
    timings.stop();
    const attributes = name.attributesOf(pool.stats());
    if (attributes) void timings.record(attributes);
    name.release();
  };
}

function make(meter: Meter, name: string, { kind, unit, description }: Metric): Observable {
  const options = { unit, description };
  switch (kind) {
    case 'counter':
      return meter.createObservableCounter(name, options);
    case 'upDownCounter':
      return meter.createObservableUpDownCounter(name, options);
    case 'gauge':
      return meter.createObservableGauge(name, options);
  }
}

/** The names in use: two pools of one process must not share a name in metrics. */
const names = new Set<string>();

/** The name of one pool in metrics, and the attributes of all its metrics. */
class PoolName {
  #name: string | undefined;
  #attributes: Attributes | undefined;

  /** @returns nothing for a pool that has done nothing yet: its target, and so its name, is unknown */
  attributesOf({ poolName, opened, openFailures }: PoolStats): Attributes | undefined {
    if (this.#attributes) return this.#attributes;
    if (poolName === 'unnamed' && opened + openFailures === 0) return undefined;
    let name = poolName;
    for (let number = 2; names.has(name); number++) name = `${poolName}#${number}`;
    names.add(name);
    this.#name = name;
    this.#attributes = Object.freeze({ 'db.client.connection.pool.name': name });
    return this.#attributes;
  }

  release(): void {
    if (this.#name !== undefined) names.delete(this.#name);
    this.#name = undefined;
  }
}

/** Counts the durations that the engine of a pool reports, and records them when metrics are collected. */
class Timings {
  readonly #pool: InstrumentedPool;
  readonly #created = new Durations();
  readonly #waited = new Durations();
  readonly #used = new Durations();
  readonly #recorded: readonly (readonly [Durations, Histogram])[];
  /** A pool of Prisma gets a new engine after each `$disconnect()`. */
  #engine: Engine | undefined;
  #detach: (() => void) | undefined;

  constructor(pool: InstrumentedPool, meter: Meter) {
    this.#pool = pool;
    const histogram = (name: keyof typeof DURATIONS) =>
      meter.createHistogram(name, { ...DURATIONS[name], advice: { explicitBucketBoundaries: BUCKETS } });
    this.#recorded = [
      [this.#created, histogram('db.client.connection.create_time')],
      [this.#waited, histogram('db.client.connection.wait_time')],
      [this.#used, histogram('db.client.connection.use_time')],
    ];
    this.attach();
  }

  async record(attributes: Attributes): Promise<void> {
    const taken = this.#recorded.map(([durations, histogram]) => ({ durations: durations.take(), histogram }));
    let inARow = 0;
    for (const { durations, histogram } of taken) {
      for (const { meanMs, count } of durations) {
        for (let i = 0; i < count; i++) {
          histogram.record(meanMs / 1_000, attributes);
          if (++inARow % IN_A_ROW === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
  }

  stop(): void {
    this.#detach?.();
    this.#detach = undefined;
  }

  /** Counts the durations of the pool's present engine. */
  attach(): void {
    const engine = engineOf(this.#pool);
    if (engine === this.#engine) return;
    this.stop();
    this.#engine = engine;
    if (engine === undefined) return;
    const opened = (_: object, tookMs: number) => this.#created.add(tookMs);
    engine.on('opened', opened);
    const unobserve = engine.observe({
      lent: (waitedMs) => this.#waited.add(waitedMs),
      returned: (heldMs) => this.#used.add(heldMs),
    });
    this.#detach = () => {
      engine.off('opened', opened);
      unobserve();
    };
  }
}

/** The engine behind a pool; nothing for an app's own object with `stats()`. */
function engineOf(pool: InstrumentedPool): Engine | undefined {
  const engine = (pool as { readonly [ENGINE]?: Engine })[ENGINE] ?? (pool as Partial<Engine>);
  return typeof engine.observe === 'function' ? (engine as Engine) : undefined;
}
