import { connectionOf } from '@tenure/core/adapter';
import type { Connection, Dialect, DialectClass } from './dialect.js';
import { guardSetUp, limitConnect } from './setUp.js';

/** Connects that the pool has requested and Knex has not begun: Knex may have to fetch its settings first. */
const requests = new WeakMap<Dialect, Set<PoolRequest>>();

/** A connect that the pool has requested, as a function that is called with the connection before it connects. */
type PoolRequest = (connection: Connection) => void;

/** Opens a connection for the pool. Knex also opens connections for the app itself, which must not get into the pool. */
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
function takeRequest(client: Dialect): PoolRequest | undefined {
  const pending = requests.get(client);
  const [request] = pending ?? [];
  if (request) pending?.delete(request);
  return request;
}

/**
 * Runs Knex's connect, and passes the connection to `request` before it connects.
 *
 * @param request `undefined` when the connection is for the app itself
 */
function observeConnect<T>(client: Dialect, request: PoolRequest | undefined, connect: () => T): T {
  const { driver } = client;
  const Client = new Proxy(driver.Client, {
    construct(Target, args) {
      const connection = Reflect.construct(Target, args) as Connection;
      if (request) request(connection);
      // Without a listener, an error of the app's own connection would end the process.
      else connectionOf(connection);
      return connection;
    },
  });
  // Knex makes the connection before `connect` returns, so no other connect gets this driver.
  client.driver = Object.create(driver, { Client: { value: Client } });
  try {
    return connect();
  } finally {
    client.driver = driver;
  }
}

/**
 * Knex's client, which passes each connection to the pool before it connects, and drops a connection whose set-up fails or takes
 * too long.
 *
 * The two variables are set around a call of Knex's method, which runs synchronously up to the point that reads them. No other
 * connect can begin in between.
 */
export function withObservedConnects(Base: DialectClass): DialectClass {
  /** Called with the connection of the connect that begins now. */
  let onConnected: ((connection: Connection) => void) | undefined;
  /** The pool's request for the connect that begins now, if it is for the pool. */
  let request: ReturnType<typeof takeRequest>;

  return class extends Base {
    override acquireRawConnection(): Promise<Connection> {
      let setUp: Promise<Connection>;
      onConnected = (connection) => {
        guardSetUp(connection, connectLimitOf(this), setUp).catch(() => {});
      };
      request = takeRequest(this);
      try {
        setUp = super.acquireRawConnection();
        return setUp;
      } finally {
        onConnected = undefined;
        request = undefined;
      }
    }

    override _acquireOnlyConnection(): Promise<Connection> {
      limitConnect(this, connectLimitOf(this));
      const callBack = onConnected;
      return observeConnect(this, request, () => super._acquireOnlyConnection()).then((connection) => {
        callBack?.(connection);
        return connection;
      });
    }
  };
}

function connectLimitOf({ pool }: Dialect): number {
  return pool?.engine.policy.connectTimeoutMs ?? Number.POSITIVE_INFINITY;
}
