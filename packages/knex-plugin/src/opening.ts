import { pgSession } from '@tenure/core/pg';
import type { Connection, Dialect } from './dialect.js';

const session = pgSession<Connection>();

/** Connects that the pool has asked for and Knex has not begun, since it may have to fetch its settings first. */
const asked = new WeakMap<Dialect, Set<PoolRequest>>();

/** A connect that the pool has asked for. */
interface PoolRequest {
  /** Hangs up: Knex itself has no way to give a connect up. */
  readonly signal: AbortSignal;
}

/** Opens a connection for the pool: Knex opens others for the app itself, which are not ours to look after. */
export async function openForPool<T>(client: Dialect, signal: AbortSignal, open: () => Promise<T>): Promise<T> {
  const requests = asked.get(client) ?? new Set();
  asked.set(client, requests);
  const request = { signal };
  requests.add(request);
  try {
    return await open();
  } finally {
    requests.delete(request);
  }
}

/** Takes the pool's request for the connect that begins now; `undefined` when it is not for the pool. */
export function takeRequest(client: Dialect): PoolRequest | undefined {
  const requests = asked.get(client);
  const [request] = requests ?? [];
  if (request) requests?.delete(request);
  return request;
}

/**
 * Takes the connection that a connect makes into care before it connects.
 *
 * @param exitOnIdle lets the process exit meanwhile: who waits for the connection keeps it alive
 */
export function observeConnect<T>(
  client: Dialect,
  request: PoolRequest | undefined,
  exitOnIdle: boolean,
  connect: () => T,
): T {
  const { driver } = client;
  const Client = new Proxy(driver.Client, {
    construct(Target, args) {
      const connection = Reflect.construct(Target, args) as Connection;
      session.observe(connection);
      if (request && exitOnIdle) session.unref(connection);
      request?.signal.addEventListener('abort', () => session.abort(connection));
      return connection;
    },
  });
  // Knex makes the connection before `connect` returns.
  client.driver = Object.create(driver, { Client: { value: Client } });
  try {
    return connect();
  } finally {
    client.driver = driver;
  }
}
