import { TenureUsageError } from '@tenure/core';
import type { PgClient } from '@tenure/core/adapter';
import knex, { type Knex } from 'knex';
import type { TarnPool } from './tarnPool.js';

/** A connection that Knex lends: a client of node-postgres. */
export interface Connection extends PgClient {
  /** Set by Knex when it will not use the connection again: after the connection ended, or after a query that timed out. */
  __knex__disposed?: unknown;
  /** Knex's name for the connection, in the events of its queries. */
  __knexUid?: string;
}

/** Knex's client for PostgreSQL and its relatives, with the inner methods that its types leave out. */
export interface Dialect extends InstanceType<typeof knex.Client> {
  pool: TarnPool<Connection> | undefined;
  /** Connects only. `acquireRawConnection` also queries the server's version and sets the search path. */
  _acquireOnlyConnection(): Promise<Connection>;
  setSchemaSearchPath(connection: Connection): Promise<unknown>;
}

export type DialectClass = Omit<typeof knex.Client, 'prototype'> & {
  readonly prototype: Dialect;
  new (config: Knex.Config): Dialect;
};

const NAMES = ['pg', 'postgres', 'postgresql', 'cockroachdb', 'redshift'];
const SUPPORTED = `Tenure supports the clients ${NAMES.join(', ')}, and classes derived from Knex's client for them`;

/** The `dialect` of their classes. It is compared instead of the class, which may come from another copy of Knex. */
const DIALECTS = ['postgresql', 'redshift'];

/** Knex's own class for this config, or the app's. */
export function dialectOf({ client, dialect }: Knex.Config): DialectClass {
  const wanted: unknown = client || dialect;
  if (typeof wanted === 'string' && NAMES.includes(wanted)) return classNamed(wanted);
  if (typeof wanted === 'function' && DIALECTS.includes(wanted.prototype?.dialect) && !isNative(wanted)) {
    return wanted as DialectClass;
  }
  throw new TenureUsageError(`${SUPPORTED}.${butNot(wanted)}`);
}

/** Makes a Knex without a connection, which opens nothing and has its class as a public field. */
function classNamed(name: string): DialectClass {
  return knex({ client: name }).client.constructor;
}

function isNative(wanted: object): boolean {
  const native = classNamed('pgnative');
  return wanted === native || Object.prototype.isPrototypeOf.call(native, wanted);
}

function butNot(wanted: unknown): string {
  if (!wanted) return ' This config names none.';
  if (wanted === 'pgnative' || (typeof wanted === 'function' && isNative(wanted))) {
    return ' The native driver gives neither the state of its socket nor its process ID: use the client pg, which needs no other change.';
  }
  if (typeof wanted === 'function') return ' This class is none of those.';
  // Only a name is shown: a connection string in its place would contain a password.
  return typeof wanted === 'string' && /^[\w-]+$/.test(wanted)
    ? ` Not ${wanted}.`
    : ` This config has a ${typeof wanted} there that is no client's name.`;
}
