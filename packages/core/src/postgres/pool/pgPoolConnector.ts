import type pg from 'pg';
import type { Policy } from '../../policy/policy.js';
import type { ConnectFailure, Connector } from '../../pool/connector.js';
import { gateOf } from '../gate.js';
import { type Opening, openClient } from '../pgConnector.js';
import { pgSession, type SessionOptions } from '../pgSession.js';
import type { PgClient, PgConnection } from '../pgTypes.js';
import { takeConnection } from '../renew.js';
import { CLEAR_SESSION, runSetUp, settle } from '../reset.js';
import { roundTrip, unlessAborted } from '../roundTrip.js';

/** What the connector asks of the pool it belongs to. */
export interface ConnectorHost {
  /** A client that has not connected yet; over this connection, or one of its own. */
  create(connection?: PgConnection): pg.PoolClient;
  /** The app's set-up: `onConnect`. Run on a new connection, and again after a `session` reset. */
  setUp(client: pg.PoolClient): unknown;
  /** A client has connected; the app's listeners may set it up as well. */
  connected(client: pg.PoolClient): void;
  /** The app's last word on a new client: `verify`. Rejects to refuse it. */
  verify(client: pg.PoolClient): Promise<void>;
  /** A client that had connected is gone, and the pool's own events do not tell. */
  gone(client: pg.PoolClient): void;
  /** Something was left on this client (an error, an open transaction), and is being looked at. */
  tidying(client: pg.PoolClient): void;
  tidied(client: pg.PoolClient): void;
}

/** What of the pool's policy and options concerns the connector. */
export interface ConnectorSettings extends Pick<SessionOptions<pg.PoolClient>, 'stream' | 'asksPassword'> {
  readonly policy: Policy;
}

type Listeners = Pick<Opening<pg.PoolClient>, 'onLost' | 'onReadOnly'>;

/** Opens clients the way pg-pool does, and looks after them the way Tenure does. */
export function poolConnector(
  host: ConnectorHost,
  { policy, ...options }: ConnectorSettings,
): Connector<pg.PoolClient> {
  const session = pgSession<pg.PoolClient>({ setUp: (client) => host.setUp(client), ...options });
  const { observe: _, watch: __, keepStatements, ...rest } = session;
  /** What the app's own hooks threw, as against what the connection failed with. */
  const refusals = new WeakSet<object>();

  const prepare = async (client: pg.PoolClient, signal: AbortSignal): Promise<void> => {
    try {
      await runSetUp(client, (one) => host.setUp(one), signal);
      host.connected(client);
      // Listeners send their `SET …` and do not wait for it: whoever gets this client must not overtake it.
      await settle(client, signal);
      await unlessAborted(host.verify(client), signal);
      await keepStatements(client, signal);
    } catch (error) {
      if (session.isOpen(client) && isAppsOwn(error)) refusals.add(error);
      throw error;
    }
  };

  /** Whom to tell of a client's end. */
  const listeners = new WeakMap<pg.PoolClient, Listeners>();

  const open = async (signal: AbortSignal, told: Listeners, connection?: PgConnection): Promise<pg.PoolClient> => {
    let client: pg.PoolClient | undefined;
    const create = () => {
      client = host.create(connection);
      if (connection && (client as PgClient).connection !== connection)
        throw new Error('A Client class of the app takes no connection that is open');
      listeners.set(client, told);
      return client;
    };
    try {
      const opening = { session, signal, ...told, exitOnIdle: policy.exitOnIdle };
      return await openClient(create, { ...opening, prepare: (one) => prepare(one, signal) });
    } catch (error) {
      if (client) host.gone(client);
      throw error;
    }
  };

  /** Clears the session of a client, and gives it to a new one. */
  const renew = async (client: pg.PoolClient, signal: AbortSignal): Promise<pg.PoolClient> => {
    await roundTrip(client, [...CLEAR_SESSION, 'DEALLOCATE ALL'].join('; '), signal);
    const connection = takeConnection(client);
    host.gone(client);
    return open(signal, listeners.get(client)!, connection);
  };

  return {
    ...rest,
    connect: (signal, onLost, onReadOnly) => open(signal, { onLost, onReadOnly }),
    // The caller hears of a hook's refusal at once, as with pg-pool, and not after `connectTimeoutMs` of trying again.
    classifyConnectError: (error): ConnectFailure =>
      isObject(error) && refusals.has(error) ? 'permanent' : session.classifyConnectError(error),
    async reset(client, mode, signal) {
      host.tidying(client);
      const result = await session.reset(client, mode, signal);
      const renewed = gateOf(client).isSpent ? await renew(client, signal) : undefined;
      host.tidied(client);
      return { ...result, renewed };
    },
  };
}

/** An error with a code is the server's or the system's, met by a query of the hook: its code says what it means. */
function isAppsOwn(error: unknown): error is object {
  return isObject(error) && !('code' in error);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
