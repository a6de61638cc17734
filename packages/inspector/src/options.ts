import type { IncomingMessage } from 'node:http';
import { type ConnectionInfo, type PoolStats, TenureUsageError } from '@tenure/core';
import { ENGINE, type PoolView, processPools } from '@tenure/core/adapter';
import { allPools, type NamedPool } from './recorder.js';

/** A pool of Tenure: of `createPool`, `Pool` of `@tenure/core/pg`, `poolOf(knex)`, or `prisma.$pool`. */
export interface InspectablePool {
  stats(): PoolStats;
  connections(): ConnectionInfo[];
}

export interface InspectorOptions {
  /** The pools to show, by name. Default: all pools of this process, by the `name` of their policies. */
  readonly pools?: Readonly<Record<string, InspectablePool>> | undefined;
  /**
   * A secret that each request must have: as `Authorization: Bearer …`, or as user name or password of `Basic`, for which a
   * browser shows a dialog. Default: none, and only requests from this machine are answered.
   */
  readonly token?: string | undefined;
  /**
   * Whether a request may see the page, for example by the session of your app. Called for each request, which an open page makes once a second.
   * When it throws or rejects, the request is refused. With a `token` as well, a request needs both. Default: none, and only requests from this
   * machine are answered.
   */
  readonly authorize?: ((request: IncomingMessage | Request) => unknown) | undefined;
}

const KEYS = ['pools', 'token', 'authorize'] satisfies (keyof InspectorOptions)[];

/** @throws TenureUsageError that names the option and what is allowed; the value of a token is not shown */
export function checkOptions(options: InspectorOptions): void {
  const { pools, token, authorize } = options;
  const unknown = Object.keys(options).find((key) => !(KEYS as string[]).includes(key));
  if (unknown !== undefined) fail(`no option ${unknown}; the options are ${KEYS.join(', ')}.`);
  if (token !== undefined && (typeof token !== 'string' || !/^[\x21-\x7e]{8,}$/.test(token))) {
    fail('token: wants 8 or more printable ASCII characters without blanks. Is a variable empty?');
  }
  if (authorize !== undefined && typeof authorize !== 'function') {
    fail(`authorize = (${typeof authorize}): wants a function of the request.`);
  }
  if (pools !== undefined && (typeof pools !== 'object' || pools === null || Array.isArray(pools))) {
    fail('pools: wants an object of pools by name: { orders: pool }.');
  }
  for (const [name, pool] of Object.entries(pools ?? {})) {
    if (!isPool(pool)) fail(`pools.${name}: wants a pool of Tenure's, such as poolOf(knex) or prisma.$pool.`);
  }
}

function fail(message: string): never {
  throw new TenureUsageError(`inspector(): ${message}`);
}

function isPool(pool: unknown): pool is InspectablePool {
  return typeof pool === 'object' && pool !== null && (isStandIn(pool) || viewOf(pool) !== undefined);
}

/** `prisma.$pool`, which has another pool after each `$disconnect()`. Its `current` is read only to show it, since reading makes the pool. */
function isStandIn(pool: object): pool is { readonly current: object } {
  return 'current' in pool;
}

/** The engine that this pool is, or that is behind it. */
function viewOf(pool: object): PoolView | undefined {
  const view: object = (pool as { readonly [ENGINE]?: PoolView })[ENGINE] ?? pool;
  return 'waits' in view ? (view as PoolView) : undefined;
}

/** The pools that these options show, without closed ones. */
export function shownBy({ pools }: InspectorOptions): () => readonly NamedPool[] {
  if (pools === undefined) return allPools;
  return () => Object.entries(pools).flatMap(([name, pool]) => namedPool(name, pool) ?? []);
}

function namedPool(name: string, pool: InspectablePool): NamedPool | undefined {
  const view = viewOf(isStandIn(pool) ? pool.current : pool);
  return view && processPools().list().includes(view) ? { name, view } : undefined;
}
