import type { SessionStatus } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { PoolWarning } from './messages.js';
import type { SlotLocks } from './slotLocks.js';

/**
 * What is between a pool and the server.
 *
 * - `unknown`: no connection has been checked yet, or the driver cannot do that.
 * - `none`: nothing, or nothing that shares sessions.
 * - `session`: a pooler that keeps one session for each connection.
 * - `transaction`: a pooler that may run each transaction on another session.
 * - `detected`: a pooler in one of these two modes, which look the same from outside.
 */
export type PoolerKind = 'unknown' | 'none' | 'session' | 'transaction' | 'detected';

/** Whether a pooler answers connects and probes in the place of the server, and gives process IDs of its own. */
export function isPooler(kind: PoolerKind = 'unknown'): boolean {
  return kind !== 'unknown' && kind !== 'none';
}

/** Whether two transactions of one connection may run on two sessions. If that is unknown, they may. */
export function sharesSessions(kind: PoolerKind = 'unknown'): boolean {
  return kind === 'transaction' || kind === 'detected';
}

/**
 * What the next connect can expect after a failed one.
 *
 * - `transient`: the server is away or busy; try again.
 * - `permanent`: the server refuses this client (password, database, role, TLS); trying again will not help.
 * - `login`: the same, but each attempt gets a new secret from the app: the next one may be right.
 * - `full`: the server has no slot left (53300); what is open still works.
 */
export type ConnectFailure = 'transient' | 'permanent' | 'login' | 'full';

/**
 * How much of a session is reset for its next holder.
 *
 * - `settle`: wait until the server is ready for a query; change nothing.
 * - `rollback`: the same, then roll back an open transaction.
 * - `session`: roll back, clear the session's state, and run the app's set-up again.
 */
export type ResetMode = 'settle' | 'rollback' | 'session';

/** The result of a reset. */
export interface ResetResult<C = never> {
  /** Whether an open or failed transaction was rolled back. */
  readonly rolledBack: boolean;
  /** Another object for the same session, which takes the connection's place. */
  readonly renewed?: C | undefined;
}

/** A query in flight. */
export interface InFlight {
  /** The same object as long as it is the same query. */
  readonly query: object;
  /** Bytes sent and received on the connection so far. An unchanged number means that nothing has moved. */
  readonly bytes: number;
}

/** Prepared statements kept on a pool's connections, counted since the pool was made. */
export interface StatementStats {
  /**
   * - `behind-pooler`: off, because a pooler in front of the server may hand each transaction to another session.
   * - `tables-change`: off for up to a minute, because tables change so often that preparing does not pay, for example when each request makes a
   *   temporary table.
   */
  readonly state: 'on' | 'off' | 'behind-pooler' | 'tables-change';
  /** Queries whose statement was prepared already. */
  readonly hits: number;
  /** Statements prepared. */
  readonly prepared: number;
  /** Statements closed to make room for others. */
  readonly evicted: number;
  /** Statements dropped because the server no longer had them, or refused to run them. */
  readonly invalidated: number;
  /** Repeated queries with parameters that were sent unprepared, by reason; absent if there were none. See docs/statements.md. */
  readonly unprepared?: Readonly<Partial<Record<UnpreparedReason, number>>>;
}

/** Reads that were sent on connections in use by other reads, counted since the pool was made. */
export interface PipelineStats {
  /**
   * - `behind-pooler`: off, since a pooler is in front of the server.
   * - `unproven`: off, since several queries in flight were not answered in their order.
   * - `mismatch`: off for this process, since an answer did not belong to the query whose turn it was.
   * - `off`: sharing needs a setting that is off (`statements`), or `reset` is `session`, or the version of `pg` cannot do it, or
   *   a tool wraps the method `query` of its client.
   */
  readonly state: 'on' | 'off' | 'behind-pooler' | 'unproven' | 'mismatch';
  readonly queries: number;
  /** The share of all short reads that did not get a connection of their own, 0 to 1; 0 before the first. */
  readonly share: number;
  /** The most queries that were in flight on one connection. */
  readonly deepest: number;
  /** How long they waited for the answers to earlier queries, in milliseconds; at most an eighth too long. */
  readonly waitedBehindMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Queries that were sent again on a connection of their own, because theirs was lost, slow or outdated. */
  readonly again: number;
}

/** Why a repeated query with parameters is sent unprepared. */
export type UnpreparedReason =
  /** It writes or locks rows, and `statementsForWrites` is off. */
  | 'write'
  /** It has a literal that may mean something else later, or under other settings. */
  | 'literal'
  /** It calls a function that may do more than read. */
  | 'function'
  /** It is not a single read or write. */
  | 'command'
  /** It is too long, or has too many parameters. */
  | 'size'
  /** The server has chosen a type for a parameter whose values another type would read as well. */
  | 'parameters'
  /** It was slower when it was prepared. */
  | 'slower'
  /** Settings, role or temporary tables of the session have just changed. */
  | 'session'
  /** Tables change all the time, or the last schema check is older than two seconds. */
  | 'tables'
  /** The connection leads to a pooler, or that is not known yet. */
  | 'pooler';

/** The target of a connector. Unknown parts are absent. */
export interface ServerTarget {
  /** Host name, IP address, or the folder of a Unix socket. */
  readonly serverAddress?: string;
  readonly serverPort?: number;
  readonly database?: string;
}

/** The functions by which a driver reports to the outside of its pool. */
export interface PoolReport {
  /** Emits a warning of the pool. */
  warn(warning: PoolWarning): void;
  /** Called when the state in `pipelineStats()` has changed. */
  pipelineChanged?(): void;
}

/**
 * The functions by which the engine uses a driver. `connect` and `close` are required; a driver leaves out what it cannot do.
 *
 * The engine limits every promise in time, except that of `finish`, and aborts the connection when the time is up.
 */
export interface Connector<C extends object> {
  /**
   * Called with the pool's policy, before any other function: some drivers decide by it, for example whether to prepare
   * statements. Throws when the connector belongs to a pool already.
   */
  usePolicy?(policy: Policy, report: PoolReport): void;
  /** The target, as far as it is known: for the names of pools, and for what they publish. Costs no I/O. */
  target?(): ServerTarget;
  /**
   * Opens one connection, set up and ready for a query.
   *
   * @param signal aborted when the attempt's time is up; a connection that arrives later is closed by the engine
   * @param onLost call it once if the connection ends without being closed by the engine, however long from now
   * @param onReadOnly call it when the server of a session that could write takes no writes any more
   */
  connect(signal: AbortSignal, onLost: (cause?: Error) => void, onReadOnly: () => void): Promise<C>;
  /** Ends the session and closes the socket; resolves when the connection is gone. */
  close(connection: C): Promise<void>;
  /** Destroys the socket at once. Must not throw or wait. */
  abort?(connection: C): void;
  /** A round trip to the server; rejects when the connection cannot be used. */
  ping?(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * Requests any answer from the server of a silent connection, without a session and without a slot. Resolves when it answers.
   * Without `probe`, a pool whose connections are all silent, and which has no room for another one, must close one of them to
   * find out.
   */
  probe?(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * What is between the connections and the server. Behind a pooler, only answers on a session prove that the server works, and
   * process IDs are not used. Default: `unknown`. Costs no I/O.
   */
  pooler?(): PoolerKind;
  /** Queries whether the server takes writes: a round trip, in the place of `ping`. Rejects when the connection cannot be used. */
  isWritable?(connection: C, signal: AbortSignal): Promise<boolean>;
  /** Whether the connection is open, as far as this process has seen. Costs no I/O. */
  isOpen?(connection: C): boolean;
  /** The app's own check, which runs before every reuse, even right after a use. `false` closes the connection. */
  validate?(connection: C): boolean | Promise<boolean>;
  /** The state of the session's transaction, as far as this process has seen. Costs no I/O. */
  transactionStatus?(connection: C): SessionStatus;
  /**
   * Waits until all queries that were sent on a returned connection have been answered, and ends those that cannot end by
   * themselves. Called before a `reset`. The engine does not limit it in time: a statement that takes an hour is not cut short.
   * Rejects when the connection cannot be used again, and when it is destroyed meanwhile.
   */
  finish?(connection: C): Promise<void>;
  /** Resets a returned session for its next holder; rejects when it cannot be used again. */
  reset?(connection: C, mode: ResetMode, signal: AbortSignal): Promise<ResetResult<C>>;
  /** The backend's process ID. */
  processId?(connection: C): number | undefined;
  /** Makes the open connection keep this process alive (the default of a socket). */
  ref?(connection: C): void;
  /** Lets this process exit although the connection is open. */
  unref?(connection: C): void;
  /** What the next connect can expect after this error. Default: every failure is `transient`. */
  classifyConnectError?(error: unknown): ConnectFailure;
  /** The query in flight on the connection; `undefined` without one, and while a part of it is still unsent. Costs no I/O. */
  queryInFlight?(connection: C): InFlight | undefined;
  /**
   * Queries the server, over one connection, on which of the others it is not working although a query is in flight there.
   * Without it, or without `queryInFlight`, queries in flight are not checked.
   *
   * @param by `over`: the connection for the query; `alive`: others that are certainly on the server
   * @returns the state of the backend of each lost connection, such as `is gone`
   */
  findLost?(
    suspects: readonly C[],
    by: { readonly over: C; readonly alive: readonly C[] },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<C, string>>;
  /** Ends a connection as if it had broken with this error, which callers that wait for an answer on it then get. Must not throw or wait. */
  breakOff?(connection: C, error: Error): void;
  /**
   * Whether closing this connection makes room on the server that was full when it refused a client with this error. The
   * connection may belong to another pool and another connector. Without it the pool makes no other pool close connections. Costs
   * no I/O.
   */
  makesRoom?(error: unknown, connection: object): boolean;
  /**
   * Whether the end of a connection puts its `server` in question, or concerns this session alone, which the server or the `app`
   * has ended. Default: always `server`.
   */
  classifyLoss?(cause: Error | undefined): 'server' | 'session' | 'app';
  /** The text of the connection's last statement, without parameter values. */
  lastStatement?(connection: C): string | undefined;
  /**
   * The locks on the server that carry a budget of several processes. Without it a pool with a budget warns that the driver
   * cannot keep one.
   *
   * @param member a random number that identifies the pool in its fleet
   */
  slotLocks?(member: number): SlotLocks<C>;
  /** Figures of the prepared statements that the driver keeps on its connections. */
  statementStats?(): StatementStats;
  /** Figures of reads that share connections; `undefined` if none may. */
  pipelineStats?(): PipelineStats | undefined;
}
