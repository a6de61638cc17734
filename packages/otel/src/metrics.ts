import type { Attributes } from '@opentelemetry/api';
import type { PoolStats } from '@tenure/core';

/** A value, and its attributes beside the pool's name. */
export type Reading = readonly [value: number, more?: Attributes];

/** A metric that is read from `stats()` at each collection. */
export interface Metric {
  readonly kind: 'counter' | 'upDownCounter' | 'gauge';
  readonly unit: string;
  readonly description: string;
  readonly read: (stats: Stats) => readonly Reading[];
}

/** A duration that is recorded for each event. */
export interface DurationMetric {
  readonly unit: 's';
  readonly description: string;
}

type Stats = PoolStats;
type BudgetStats = NonNullable<PoolStats['budget']>;

type Rest = Pick<Metric, 'unit' | 'description' | 'read'>;

const counter = (rest: Rest): Metric => ({ kind: 'counter', ...rest });
const upDownCounter = (rest: Rest): Metric => ({ kind: 'upDownCounter', ...rest });
const gauge = (rest: Rest): Metric => ({ kind: 'gauge', ...rest });

const STATE = 'db.client.connection.state';

const settingOf = (stats: Stats, key: 'reuseConnections' | 'minConnections') => Number(stats.policy[key].value);

const by = (name: string, counts: object): Reading[] =>
  Object.entries(counts).map(([value, count]) => [count, { [name]: value }]);

const ofBudget = (read: (budget: BudgetStats) => number | null) => (stats: Stats) => {
  const value = stats.budget ? read(stats.budget) : null;
  return value === null ? [] : [[value] as const];
};

const ofStatements =
  (key: 'hits' | 'prepared' | 'evicted' | 'invalidated') =>
  ({ statements }: Stats) =>
    statements ? [[statements[key]] as const] : [];

const ofPipeline =
  (key: 'queries' | 'share' | 'deepest' | 'again') =>
  ({ pipelined }: Stats) =>
    pipelined ? [[pipelined[key]] as const] : [];

/**
 * The metrics that are read from `stats()`: those of the semantic conventions for connection pools, 1.45, then those that the conventions lack.
 * docs/observability.md has the same table.
 */
export const METRICS: Readonly<Record<string, Metric>> = {
  'db.client.connection.count': upDownCounter({
    unit: '{connection}',
    description: 'The number of connections that are currently in state described by the `state` attribute.',
    read: ({ idle, used }) => by(STATE, { idle, used }),
  }),
  'db.client.connection.idle.max': upDownCounter({
    unit: '{connection}',
    description: 'The maximum number of idle open connections allowed.',
    read: (stats) => [[Math.min(settingOf(stats, 'reuseConnections'), stats.max)]],
  }),
  'db.client.connection.idle.min': upDownCounter({
    unit: '{connection}',
    description: 'The minimum number of idle open connections allowed.',
    read: (stats) => [[Math.min(settingOf(stats, 'minConnections'), stats.max)]],
  }),
  'db.client.connection.limit': upDownCounter({
    unit: '{connection}',
    description: 'The maximum number of open connections allowed.',
    read: ({ max }) => [[max]],
  }),
  // The name of `max` until 1.44, which dashboards still query.
  'db.client.connection.max': upDownCounter({
    unit: '{connection}',
    description: 'The maximum number of open connections allowed.',
    read: ({ max }) => [[max]],
  }),
  'db.client.connection.pending_requests': upDownCounter({
    unit: '{request}',
    description: 'The number of current pending requests for an open connection.',
    read: ({ waiting }) => [[waiting]],
  }),
  'db.client.connection.timeouts': counter({
    unit: '{timeout}',
    description: 'The number of connection timeouts that have occurred trying to obtain a connection from the pool.',
    read: ({ timeouts }) => [[timeouts]],
  }),
  'tenure.connection.acquired': counter({
    unit: '{checkout}',
    description: 'Checkouts.',
    read: ({ acquired }) => [[acquired]],
  }),
  'tenure.connection.opened': counter({
    unit: '{connection}',
    description: 'Connections that were opened.',
    read: ({ opened }) => [[opened]],
  }),
  'tenure.connection.open_failures': counter({
    unit: '{failure}',
    description: 'Connects that failed.',
    read: ({ openFailures }) => [[openFailures]],
  }),
  'tenure.connection.closed': counter({
    unit: '{connection}',
    description: 'Closed connections, by reason.',
    read: ({ closed }) => by('reason', closed),
  }),
  'tenure.connection.transitional': upDownCounter({
    unit: '{connection}',
    description: 'Connections that are neither idle nor used: `opening`, or `busy` being checked, reset or closed.',
    read: ({ opening, busy }) => by('state', { opening, busy }),
  }),
  'tenure.pool.reused_share': gauge({
    unit: '1',
    description: 'The share of checkouts served by a connection that had served before, 0 to 1.',
    read: ({ reusedShare }) => [[reusedShare]],
  }),
  'tenure.pool.refused': counter({
    unit: '{request}',
    description: 'Callers that were refused at once.',
    read: ({ refused }) => [[refused]],
  }),
  'tenure.pool.checks': counter({
    unit: '{check}',
    description: 'Checks of connections that have ended, by result.',
    read: ({ checks: { done, failed } }) => by('result', { passed: done - failed, failed }),
  }),
  'tenure.pool.epochs': counter({
    unit: '{incident}',
    description: 'Incidents that put all connections in question.',
    read: ({ epochs }) => [[epochs]],
  }),
  'tenure.pool.owners': upDownCounter({
    unit: '{pool}',
    description: 'Pools of this process that share the limit of this one, itself included.',
    read: ({ owners }) => [[owners]],
  }),
  'tenure.transaction.rolled_back': counter({
    unit: '{transaction}',
    description: 'Transactions that were open when their connection came back, and were rolled back.',
    read: ({ rolledBack }) => [[rolledBack]],
  }),
  'tenure.statement.hits': counter({
    unit: '{query}',
    description: 'Queries whose statement was prepared already.',
    read: ofStatements('hits'),
  }),
  'tenure.statement.prepared': counter({
    unit: '{statement}',
    description: 'Statements prepared.',
    read: ofStatements('prepared'),
  }),
  'tenure.statement.evicted': counter({
    unit: '{statement}',
    description: 'Statements closed to make room for others.',
    read: ofStatements('evicted'),
  }),
  'tenure.statement.invalidated': counter({
    unit: '{statement}',
    description: 'Statements dropped because the server no longer had them, or refused to run them.',
    read: ofStatements('invalidated'),
  }),
  'tenure.statement.unprepared': counter({
    unit: '{query}',
    description: 'Repeated queries with parameters that were sent unprepared, by reason.',
    read: ({ statements }) => by('reason', statements?.unprepared ?? {}),
  }),
  'tenure.pipeline.enabled': upDownCounter({
    unit: '{pool}',
    description: '1 while short reads may share connections, else 0, by state.',
    read: ({ pipelined }) => (pipelined ? [[Number(pipelined.state === 'on'), { state: pipelined.state }]] : []),
  }),
  'tenure.pipeline.queries': counter({
    unit: '{query}',
    description: 'Reads that were sent on a connection behind others.',
    read: ofPipeline('queries'),
  }),
  'tenure.pipeline.share': gauge({
    unit: '1',
    description: 'The share of short reads that did not get a connection of their own, 0 to 1.',
    read: ofPipeline('share'),
  }),
  'tenure.pipeline.deepest': gauge({
    unit: '{query}',
    description: 'The most queries that were in flight on one connection.',
    read: ofPipeline('deepest'),
  }),
  'tenure.pipeline.waited_behind': gauge({
    unit: 's',
    description: 'How long reads waited for the answers to those before them, by quantile.',
    read: ({ pipelined }) =>
      Object.entries(pipelined?.waitedBehindMs ?? {}).map(([quantile, ms]) => [ms / 1_000, { quantile }]),
  }),
  'tenure.pipeline.again': counter({
    unit: '{query}',
    description: 'Reads that were sent again, on a connection of their own.',
    read: ofPipeline('again'),
  }),
  'tenure.budget.limit': gauge({
    unit: '{connection}',
    description: 'Connections that all processes of the budget may have together.',
    read: ofBudget(({ limit }) => limit),
  }),
  'tenure.budget.slots': upDownCounter({
    unit: '{connection}',
    description: 'Connections of this pool that hold a slot of the budget.',
    read: ofBudget(({ slots }) => slots),
  }),
  'tenure.budget.guests': upDownCounter({
    unit: '{connection}',
    description: 'Connections of this pool that have no slot.',
    read: ofBudget(({ guests }) => guests),
  }),
  'tenure.budget.hungry': upDownCounter({
    unit: '{pool}',
    description: '1 while callers wait and the budget has no free slot.',
    read: ofBudget(({ hungry }) => Number(hungry)),
  }),
  'tenure.budget.members': gauge({
    unit: '{pool}',
    description: 'Members of the budget when they were last counted.',
    read: ofBudget(({ members }) => members),
  }),
};

/** The durations that are recorded for each event; all are from the conventions. */
export const DURATIONS = {
  'db.client.connection.create_time': { unit: 's', description: 'The time it took to create a new connection.' },
  'db.client.connection.wait_time': {
    unit: 's',
    description: 'The time it took to obtain an open connection from the pool.',
  },
  'db.client.connection.use_time': {
    unit: 's',
    description: 'The time between borrowing a connection and returning it to the pool.',
  },
} as const satisfies Readonly<Record<string, DurationMetric>>;

/** Bounds for durations in seconds, as the conventions advise. */
export const BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
