import type { Connector } from '../pool/connector.js';
import { classifyConnectError } from './connectFailure.js';
import { abort, close, ref, unref } from './farewell.js';
import type { PgClient } from './pgTypes.js';
import { ping } from './ping.js';
import { reset, type SetUp } from './reset.js';
import { adding } from './sharing/leftovers.js';
import { isOpen, transactionStatus } from './status.js';
import { watch } from './watch.js';

export interface SessionOptions<C> {
  /** Prepares a session; run again after each `session` reset. Must leave no transaction open. */
  readonly setUp?: SetUp<C> | undefined;
}

type NotOfTheSession = 'connect' | 'validate' | 'isWritable' | 'classifyLoss' | 'lastStatement' | 'statementStats';
type SessionOperations<C extends object> = Required<Omit<Connector<C>, NotOfTheSession>>;

/** Everything a connector does but open: works on any connected client of node-postgres, however it was opened. */
export interface PgSession<C extends PgClient> extends SessionOperations<C> {
  /**
   * Takes a client into care: turns TCP keepalive on and listens to it for the rest of its life.
   *
   * @param onLost called once if the connection ends without `close` or `abort`
   */
  watch(client: C, onLost: (cause?: Error) => void): void;
}

export function pgSession<C extends PgClient>({ setUp }: SessionOptions<C> = {}): PgSession<C> {
  return {
    watch: adding(watch),
    close,
    abort,
    ref,
    unref,
    ping,
    isOpen,
    transactionStatus,
    classifyConnectError,
    reset: (client, mode, signal) => reset(client, mode, signal, setUp),
    processId: (client) => client.processID ?? undefined,
  };
}
