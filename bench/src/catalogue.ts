import type { Bench } from './bench.js';

export const BENCHES: readonly Bench[] = [
  {
    name: 'pool',
    story: 'the pool alone, on stub connections: hand-off, memory',
    seconds: 90,
    quickSeconds: 15,
    load: async () => (await import('./pool/run.js')).runPool,
  },
  {
    name: 'observed',
    story: 'what it costs that a pool can be followed: channels without a subscriber, OpenTelemetry',
    seconds: 40,
    quickSeconds: 8,
    load: async () => (await import('./observed/run.js')).runObserved,
  },
  {
    name: 'queries',
    story: 'one process on a real server: raw clients, pools, Knex, Prisma',
    seconds: 540,
    quickSeconds: 45,
    load: async () => (await import('./queries/run.js')).runQueries,
  },
  {
    name: 'pipeline',
    story: 'short reads that share connections, beside those that do not',
    seconds: 480,
    quickSeconds: 30,
    load: async () => (await import('./pipeline/run.js')).runPipeline,
  },
  {
    name: 'errors',
    story: 'what a failing query costs',
    seconds: 40,
    quickSeconds: 8,
    load: async () => (await import('./errors/run.js')).runErrors,
  },
  {
    name: 'fleet',
    story: 'eight processes on one server, with PgBouncer as a peer',
    seconds: 500,
    quickSeconds: 40,
    load: async () => (await import('./fleet/run.js')).runFleet,
  },
  {
    name: 'budget',
    story: 'what CONN_BUDGET costs each of twelve processes, and the server, while it is full and while there is room',
    seconds: 400,
    quickSeconds: 30,
    load: async () => (await import('./budget/run.js')).runBudget,
  },
  {
    name: 'ageing',
    story: 'what the retirement of connections of age costs a steady load',
    seconds: 60,
    quickSeconds: 15,
    load: async () => (await import('./ageing/run.js')).runAgeing,
  },
  {
    name: 'recovery',
    story: 'how soon a pool works again after the server has restarted',
    seconds: 60,
    quickSeconds: 15,
    load: async () => (await import('./recovery/run.js')).runRecovery,
  },
  {
    name: 'inspector',
    story: 'what the live page costs; INSPECTOR_MINUTES=10 watches its memory for longer',
    seconds: 170,
    quickSeconds: 25,
    load: async () => (await import('./inspector/run.js')).runInspector,
  },
];
