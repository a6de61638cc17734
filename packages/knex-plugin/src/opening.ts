import { pgSession } from '@tenure/core/pg';
import type { Connection, Dialect } from './dialect.js';

const session = pgSession<Connection>();

/** Connects that the pool has asked for and Knex has not begun, since it may have to fetch its settings first. */
const asked = new WeakMap<Dialect, Set<object>>();

/** Opens a connection for the pool: Knex opens others for the app itself, which are not ours to look after. */
export async function openForPool<T>(client: Dialect, open: () => Promise<T>): Promise<T> {
  const requests = asked.get(client) ?? new Set();
  asked.set(client, requests);
  const request = {};
  requests.add(request);
  try {
    return await open();
  } finally {
    requests.delete(request);
  }
}

/** Whether the connect that begins now is for the pool. */
export function isForPool(client: Dialect): boolean {
  const requests = asked.get(client);
  const [request] = requests ?? [];
  return request !== undefined && requests!.delete(request);
}

/**
 * Takes the connection that a connect makes into care before it connects.
 *
 * @param exitOnIdle lets the process exit meanwhile: who waits for the connection keeps it alive
 */
export function observeConnect<T>(client: Dialect, exitOnIdle: boolean, connect: () => T): T {
  const { driver } = client;
  const Client = new Proxy(driver.Client, {
    construct(Target, args) {
      const connection = Reflect.construct(Target, args) as Connection;
      session.observe(connection);
      if (exitOnIdle) session.unref(connection);
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
