import { connectionOf } from '@tenure/core/adapter';
import type { Connection, Dialect } from './dialect.js';

/** Connects that the pool has requested and Knex has not begun, since it may have to fetch its settings first. */
const requests = new WeakMap<Dialect, Set<PoolRequest>>();

/** A connect that the pool has requested; called with the connection before it connects. */
type PoolRequest = (connection: Connection) => void;

/** Opens a connection for the pool. Knex opens others for the app itself, which are not the pool's. */
export async function openForPool<T>(client: Dialect, observe: PoolRequest, open: () => Promise<T>): Promise<T> {
  const pending = requests.get(client) ?? new Set();
  requests.set(client, pending);
  const request: PoolRequest = (connection) => observe(connection);
  pending.add(request);
  try {
    return await open();
  } finally {
    pending.delete(request);
  }
}

/** Takes the pool's request for the connect that begins now; `undefined` when it is not for the pool. */
export function takeRequest(client: Dialect): PoolRequest | undefined {
  const pending = requests.get(client);
  const [request] = pending ?? [];
  if (request) pending?.delete(request);
  return request;
}

/**
 * Runs Knex's connect, and observes the connection that it makes, before that connects.
 *
 * @param request `undefined` when the connection is for the app itself
 */
export function observeConnect<T>(client: Dialect, request: PoolRequest | undefined, connect: () => T): T {
  const { driver } = client;
  const Client = new Proxy(driver.Client, {
    construct(Target, args) {
      const connection = Reflect.construct(Target, args) as Connection;
      if (request) request(connection);
      // No error of it may be an uncaught one either.
      else connectionOf(connection);
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
