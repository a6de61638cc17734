import { readFileSync } from 'node:fs';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, it } from 'vitest';
import { CLOSE_REASONS } from '../../../packages/core/src/lifecycle/state.js';
import { instrument } from '../../../packages/otel/src/instrument.js';
import { DURATIONS, METRICS } from '../../../packages/otel/src/metrics.js';
import { fakePool, follow, take } from '../../support/fakePool.js';

/**
 * model/db/metrics.yaml of the conventions: name, instrument, unit, attributes beside the pool's name, brief. All attributes are required. Until 1.44
 * `limit` was `max`.
 */
const CONVENTIONS: [string, string, string, string[], string][] = [
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_COUNT,
    'updowncounter',
    '{connection}',
    ['db.client.connection.state'],
    'The number of connections that are currently in state described by the `state` attribute.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_IDLE_MAX,
    'updowncounter',
    '{connection}',
    [],
    'The maximum number of idle open connections allowed.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_IDLE_MIN,
    'updowncounter',
    '{connection}',
    [],
    'The minimum number of idle open connections allowed.',
  ],
  ...[conventions.METRIC_DB_CLIENT_CONNECTION_LIMIT, 'db.client.connection.max'].map(
    (name): [string, string, string, string[], string] => [
      name,
      'updowncounter',
      '{connection}',
      [],
      'The maximum number of open connections allowed.',
    ],
  ),
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_PENDING_REQUESTS,
    'updowncounter',
    '{request}',
    [],
    'The number of current pending requests for an open connection.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_TIMEOUTS,
    'counter',
    '{timeout}',
    [],
    'The number of connection timeouts that have occurred trying to obtain a connection from the pool.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_CREATE_TIME,
    'histogram',
    's',
    [],
    'The time it took to create a new connection.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_WAIT_TIME,
    'histogram',
    's',
    [],
    'The time it took to obtain an open connection from the pool.',
  ],
  [
    conventions.METRIC_DB_CLIENT_CONNECTION_USE_TIME,
    'histogram',
    's',
    [],
    'The time between borrowing a connection and returning it to the pool.',
  ],
];

function kindOf(data: MetricData): string {
  if (data.dataPointType === DataPointType.HISTOGRAM) return 'histogram';
  if (data.dataPointType === DataPointType.GAUGE) return 'gauge';
  return data.dataPointType === DataPointType.SUM && data.isMonotonic ? 'counter' : 'updowncounter';
}

/** The metrics of OpenTelemetry's SDK about a pool after a timeout, with a budget and statements as other pools may have them. */
async function collected(): Promise<MetricData[]> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const fake = fakePool({ name: 'orders', maxConnections: 1, acquireTimeoutMs: 100 });
  const { pool } = fake;
  const stats = () => ({
    ...pool.stats(),
    statements: { state: 'on' as const, hits: 3, prepared: 2, evicted: 1, invalidated: 0, unprepared: { size: 4 } },
    pipelined: {
      state: 'on' as const,
      queries: 90,
      share: 0.5,
      deepest: 4,
      waitedBehindMs: { p50: 1, p99: 4, max: 20 },
      again: 2,
    },
    budget: { limit: 40, slots: 3, guests: 1, hungry: true, members: 8 },
  });
  const stop = instrument(
    Object.assign(Object.create(pool), {
      stats,
      observe: pool.observe.bind(pool),
      on: pool.on.bind(pool),
      off: pool.off.bind(pool),
    }),
    { meterProvider },
  );
  const held = await take(fake);
  follow(pool.acquire());
  await fake.runtime.advance(100);
  pool.release(held);
  await reader.forceFlush();
  stop();
  await meterProvider.shutdown();
  return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
}

const metrics = await collected();
const POOL = { 'db.client.connection.pool.name': 'orders' };

describe("the conventions' metrics", () => {
  it.each(CONVENTIONS)('%s is a %s of %s', (name, kind, unit, attributes, brief) => {
    const data = metrics.find(({ descriptor }) => descriptor.name === name)!;
    expect([kindOf(data), data.descriptor.unit, data.descriptor.description]).toEqual([kind, unit, brief]);
    for (const point of data.dataPoints) {
      expect(point.attributes).toMatchObject(POOL);
      expect(Object.keys(point.attributes).filter((key) => !(key in POOL))).toEqual(attributes);
    }
  });

  it('are all that there are', () => {
    const known = Object.entries(conventions).filter(([key]) => key.startsWith('METRIC_DB_CLIENT_CONNECTION_'));
    const names = known.map(([, name]) => name as string);
    if (!names.includes('db.client.connection.max')) names.push('db.client.connection.max');
    names.sort();
    expect(names).toEqual(CONVENTIONS.map(([name]) => name).sort());
    const ours = [...Object.keys(METRICS), ...Object.keys(DURATIONS)];
    expect(ours.filter((name) => !name.startsWith('tenure.')).sort()).toEqual(names);
  });

  it('have the states that the conventions have', () => {
    const count = metrics.find(({ descriptor }) => descriptor.name === 'db.client.connection.count')!;
    const states = count.dataPoints.map(({ attributes }) => attributes['db.client.connection.state']);
    expect(states.sort()).toEqual([
      conventions.DB_CLIENT_CONNECTION_STATE_VALUE_IDLE,
      conventions.DB_CLIENT_CONNECTION_STATE_VALUE_USED,
    ]);
  });
});

describe('the metrics beside them', () => {
  const valuesOf = (name: string) => {
    const { dataPoints } = metrics.find(({ descriptor }) => descriptor.name === name)!;
    return dataPoints.map(({ attributes, value }) => {
      const { 'db.client.connection.pool.name': _, ...more } = attributes;
      return [Object.values(more).join(), value];
    });
  };

  it('are all published', () => {
    const published = metrics.map(({ descriptor }) => descriptor.name);
    expect(Object.keys(METRICS).filter((name) => !published.includes(name))).toEqual([]);
  });

  it('have closings by every reason, also before the first', () => {
    expect(valuesOf('tenure.connection.closed')).toEqual(CLOSE_REASONS.map((reason) => [reason, 0]));
  });

  it.each([
    ['tenure.budget.limit', 40],
    ['tenure.budget.slots', 3],
    ['tenure.budget.guests', 1],
    ['tenure.budget.hungry', 1],
    ['tenure.budget.members', 8],
    ['tenure.statement.hits', 3],
    ['tenure.pipeline.queries', 90],
    ['tenure.pipeline.share', 0.5],
    ['tenure.pipeline.deepest', 4],
    ['tenure.pipeline.again', 2],
  ])('%s is read from the budget and the statements of stats()', (name, value) => {
    expect(valuesOf(name)).toEqual([['', value]]);
  });

  it('have the queries that were not prepared, by reason', () => {
    expect(valuesOf('tenure.statement.unprepared')).toEqual([['size', 4]]);
  });
});

it('docs/observability.md has each metric with its instrument and unit, and no other', () => {
  const text = readFileSync(new URL('../../../docs/observability.md', import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| `([a-z_.]+)` \| (\w+) \| `([^`]+)` \|/gm);
  const documented = Array.from(rows, ([, name, kind, unit]) => [name, kind, unit]);
  const instruments = {
    counter: 'ObservableCounter',
    upDownCounter: 'ObservableUpDownCounter',
    gauge: 'ObservableGauge',
  };
  const ours = [
    ...Object.entries(METRICS).map(([name, { kind, unit }]) => [name, instruments[kind], unit]),
    ...Object.entries(DURATIONS).map(([name, { unit }]) => [name, 'Histogram', unit]),
  ];
  expect(documented.sort()).toEqual(ours.sort());
});

it('instrument() refuses what is no pool, and says what it takes', () => {
  expect(() => instrument({} as never)).toThrow(/poolOf\(db\) with Knex, prisma\.\$pool/);
});
