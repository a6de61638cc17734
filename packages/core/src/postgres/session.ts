import { TenureUsageError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { Connector } from '../pool/connector.js';
import { finish } from './abandoned.js';
import { Addresses } from './addresses.js';
import { probe } from './cancel.js';
import { classifyConnectError, classifyLogin } from './connectFailure.js';
import { abort, close, ref, unref } from './farewell.js';
import { makesRoom } from './fullServer.js';
import { breakOff, findLost, queryInFlight } from './inFlight.js';
import { classifyLoss } from './loss.js';
import type { PgClient } from './pgTypes.js';
import { isWritable, ping } from './ping.js';
import { type ResetOptions, reset } from './reset.js';
import { lastStatement, rememberLastStatement } from './statements/lastStatement.js';
import { NO_STATEMENTS, Statements } from './statements/statements.js';
import { isOpen, transactionStatus } from './status.js';
import { observe, watch } from './watch.js';

export interface SessionOptions<C> extends ResetOptions<C> {
  /** Prepares a session; run again after each `session` reset. Must leave no transaction open. */
  readonly setUp?: ResetOptions<C>['setUp'];
  /** Whether each connect asks the app for the password anew. */
  readonly asksPassword?: () => boolean;
  /** The app's own `stream` option of `pg`, if it has one: a cancel goes the same way. */
  readonly stream?: ResetOptions<C>['stream'];
}

type SessionOperations<C extends object> = Required<Omit<Connector<C>, 'connect' | 'validate'>>;

/** Everything a connector does but open: works on any connected client of node-postgres, however it was opened. */
export interface PgSession<C extends PgClient> extends SessionOperations<C> {
  /**
   * Takes a client into care: turns TCP keepalive on and listens to it for the rest of its life. `watch` does so too; but what the server
   * says of itself at the start, only who observes a client before it connects will hear.
   */
  observe(client: C): void;
  /**
   * Tells what becomes of a client that has been opened.
   *
   * @param onLost called once if the connection ends without `close` or `abort`
   * @param onReadOnly called once if the session can write now, and its server stops taking writes (PostgreSQL 14 and later)
   */
  watch(client: C, onLost: (cause?: Error) => void, onReadOnly?: () => void): void;
  /**
   * From now on the repeated queries of this client, which is connected and set up, are sent as prepared statements, as far as the policy
   * says, and none before `governedBy`. Costs a round trip on the first client, if a pooler must be ruled out; rejects when the client cannot be used.
   */
  keepStatements(client: C, signal: AbortSignal): Promise<void>;
}

export function pgSession<C extends PgClient>(options: SessionOptions<C> = {}): PgSession<C> {
  let governed: { readonly policy: Policy; readonly statements: Statements } | undefined;
  const addresses = new Addresses();
  return {
    governedBy(policy) {
      if (governed) {
        throw new TenureUsageError('This connector belongs to another pool already: make one for each.');
      }
      governed = { policy, statements: new Statements(policy) };
    },
    observe(client) {
      addresses.lead(client);
      observe(client);
    },
    watch,
    close,
    abort,
    ref,
    unref,
    ping,
    probe: (client, signal) => probe(client, { signal, stream: options.stream }),
    isBehindPooler: () => governed?.statements.stats.state === 'behind-pooler',
    isWritable,
    isOpen,
    transactionStatus,
    classifyConnectError: (error) => (options.asksPassword?.() ? classifyLogin(error) : classifyConnectError(error)),
    classifyLoss,
    queryInFlight,
    findLost,
    breakOff,
    makesRoom: (error, connection) => makesRoom(error, connection as PgClient),
    finish: (client) => {
      const { signal: never } = new AbortController();
      return finish(client, never, { stream: options.stream, limitMs: governed?.policy.healthTimeoutMs });
    },
    reset: (client, mode, signal) => reset(client, mode, signal, options),
    processId: (client) => client.processID ?? undefined,
    async keepStatements(client, signal) {
      if (Number.isFinite(governed?.policy.leakAfterMs)) rememberLastStatement(client);
      await governed?.statements.adopt(client, signal);
    },
    lastStatement,
    statementStats: () => governed?.statements.stats ?? NO_STATEMENTS,
  };
}
