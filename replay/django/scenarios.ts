/** One way to run the incident's app. */
export interface Scenario {
  readonly key: string;
  readonly title: string;
  readonly workerClass: 'eventlet' | 'gevent' | 'sync';
  /** Django's CONN_MAX_AGE, in seconds; 0 closes a connection at the end of its request. */
  readonly maxAge: number;
  /** The most connections of a PgBouncer in transaction mode in front of the server; absent without one. */
  readonly pooled?: number;
  /** The doctor's finding, or its verdict. */
  readonly expected: string;
}

const POOLED = 20;

/** The app as it was, and with each advice. Documents list the measured scenarios in this order. */
export const SCENARIOS: readonly Scenario[] = [
  {
    key: 'eventlet',
    title: 'before: eventlet, CONN_MAX_AGE=60',
    workerClass: 'eventlet',
    maxAge: 60,
    expected: 'not-reused',
  },
  { key: 'gevent', title: 'gevent, CONN_MAX_AGE=60', workerClass: 'gevent', maxAge: 60, expected: 'not-reused' },
  { key: 'max-age-0', title: 'eventlet, CONN_MAX_AGE=0', workerClass: 'eventlet', maxAge: 0, expected: 'churn' },
  { key: 'sync', title: 'sync workers, CONN_MAX_AGE=60', workerClass: 'sync', maxAge: 60, expected: 'healthy' },
  {
    key: 'pgbouncer',
    title: `eventlet, CONN_MAX_AGE=60, PgBouncer with ${POOLED}`,
    workerClass: 'eventlet',
    maxAge: 60,
    pooled: POOLED,
    expected: 'healthy',
  },
];
