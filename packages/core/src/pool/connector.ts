import type { SessionStatus } from '../errors.js';
import type { Policy } from '../policy/policy.js';

/**
 * What a failed connect says about the next one.
 *
 * - `transient`: the server is away or busy; try again.
 * - `permanent`: the server refuses this client (password, database, role, TLS); trying again will not help.
 * - `login`: the same because of a secret that each attempt gets anew from the app: the next one may be right.
 * - `full`: the server has no slot left (53300); what is open still works.
 */
export type ConnectFailure = 'transient' | 'permanent' | 'login' | 'full';

/**
 * How thoroughly a session is made ready for its next borrower.
 *
 * - `settle`: wait until the server is ready for a query, and change nothing.
 * - `rollback`: settle, then roll an open transaction back.
 * - `session`: roll back, clear the session's state, and run the app's set-up again.
 */
export type ResetMode = 'settle' | 'rollback' | 'session';

/** What a reset found. */
export interface ResetResult<C = never> {
  /** An open or failed transaction was rolled back. */
  readonly rolledBack: boolean;
  /** Takes the connection's place: the same session in new hands. */
  readonly renewed?: C | undefined;
}

/** A query that waits for the server's answer. */
export interface InFlight {
  /** The same object as long as it is the same query. */
  readonly query: object;
  /** How many bytes have gone by on the connection, both ways: the same number twice means that nothing has moved. */
  readonly bytes: number;
}

/** Prepared statements kept on a pool's connections, counted since the pool was made. */
export interface StatementStats {
  /**
   * - `behind-pooler`: off, because a pooler in front of the server may hand each transaction to another session.
   * - `tables-change`: resting for up to a minute, because tables change so often that preparing does not pay, as where each request makes a
   *   temporary table.
   */
  readonly state: 'on' | 'off' | 'behind-pooler' | 'tables-change';
  /** Queries that found their statement prepared. */
  readonly hits: number;
  /** Statements prepared. */
  readonly prepared: number;
  /** Closed to make room for others. */
  readonly evicted: number;
  /** Forgotten because the server no longer had them, or would not run them any more. */
  readonly invalidated: number;
  /** Repeated queries with parameters that were sent unprepared, by the reason; absent where there were none. See docs/statements.md. */
  readonly unprepared?: Readonly<Partial<Record<UnpreparedReason, number>>>;
}

/** Why a repeated query with parameters is sent unprepared. */
export type UnpreparedReason =
  /** It writes or locks rows, and `statementsForWrites` is off. */
  | 'write'
  /** A literal in it may mean something else later, or under other settings. */
  | 'literal'
  /** It calls a function that may do more than read. */
  | 'function'
  /** It is no single read or write. */
  | 'command'
  /** It is too long, or has too many parameters. */
  | 'size'
  /** The values of a parameter would be read alike by another type than the one the server has chosen. */
  | 'parameters'
  /** It was slower when it was prepared. */
  | 'slower'
  /** Settings, role or temporary tables of the session have changed a moment ago. */
  | 'session'
  /** Tables change all the time, or nobody has looked at them for a moment. */
  | 'tables'
  /** The connection leads to a pooler, or it is not known yet whether it does. */
  | 'pooler';

/**
 * The one thing the engine knows of a driver. `connect` and `close` are required; what a driver cannot do it leaves out.
 *
 * Every promise here is limited in time by the engine, which aborts the connection when the time is up.
 */
export interface Connector<C extends object> {
  /** Told by its pool, before anything else is asked of it, which policy holds: for what the driver does by it, such as preparing statements. Throws when it belongs to a pool already. */
  governedBy?(policy: Policy): void;
  /**
   * Opens one connection, set up and ready for a query.
   *
   * @param signal aborted when the attempt's time is up; a connection that arrives later is closed by the engine
   * @param onLost to be called once when this connection ends or breaks without being asked to, however long from now
   * @param onReadOnly to be called when a session that could write, when it was opened, turns out to be on a server that takes no writes
   */
  connect(signal: AbortSignal, onLost: (cause?: Error) => void, onReadOnly: () => void): Promise<C>;
  /** Says goodbye and closes; resolves when the connection is gone. */
  close(connection: C): Promise<void>;
  /** Drops the connection without a goodbye. Must not throw or wait. */
  abort?(connection: C): void;
  /** A round trip to the server; rejects when the connection cannot be used. */
  ping?(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * Asks from outside whether the server of a connection that is silent answers at all: no session is opened, no slot taken. Resolves when it
   * does. Without it the pool must close one silent connection to find out, when all are silent and it has no room for another.
   */
  probe?(connection: C, signal: AbortSignal): Promise<void>;
  /**
   * Something in front of the server, a pooler, answers connects and looks from outside in its place: then only answers on a session tell of the
   * server. Without it: never.
   */
  isBehindPooler?(): boolean;
  /** Asks whether the server accepts writes: a round trip, in the place of `ping`. Rejects when the connection cannot be used. */
  isWritable?(connection: C, signal: AbortSignal): Promise<boolean>;
  /** Whether the connection looks open, from what this process already knows. Costs no I/O. */
  isOpen?(connection: C): boolean;
  /** The app's own check, run before every reuse, also of a connection heard from lately. `false` retires it. */
  validate?(connection: C): boolean | Promise<boolean>;
  /** What the session is doing, from what this process already knows. Costs no I/O. */
  transactionStatus?(connection: C): SessionStatus;
  /**
   * Waits until what was sent on a returned connection has been answered, and ends what cannot end by itself. Comes before a `reset`, and is
   * the one promise that the engine does not limit in time: a transaction that takes an hour is not cut short. Rejects when the connection
   * cannot be used again, and when it is dropped meanwhile.
   */
  finish?(connection: C): Promise<void>;
  /** Makes a returned session ready for its next borrower; rejects when it cannot be used again. */
  reset?(connection: C, mode: ResetMode, signal: AbortSignal): Promise<ResetResult<C>>;
  /** The backend's process ID. */
  processId?(connection: C): number | undefined;
  /** Lets the open connection keep this process alive (the default of a socket). */
  ref?(connection: C): void;
  /** Lets this process exit although the connection is open. */
  unref?(connection: C): void;
  /** Tells what a failed connect says about the next. Without it every failure is `transient`. */
  classifyConnectError?(error: unknown): ConnectFailure;
  /** The query in flight on the connection, if there is one and all of it has been sent. Costs no I/O. */
  queryInFlight?(connection: C): InFlight | undefined;
  /**
   * Asks the server over one connection for which of the others it is not working, although a query is in flight on them. Without it, or without
   * `queryInFlight` and `breakOff`, queries in flight are not looked for.
   *
   * @param by `over`: the connection to ask on; `alive`: others that the server surely has
   * @returns what is the matter with the backend of each that is lost, such as `is gone`
   */
  findLost?(
    suspects: readonly C[],
    by: { readonly over: C; readonly alive: readonly C[] },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<C, string>>;
  /** Ends a connection as if it had broken with this error, which whoever waits for an answer on it then gets. Must not throw or wait. */
  breakOff?(connection: C, error: Error): void;
  /**
   * Whether the end of this connection, which may be one of another pool and another connector, makes room on the server that was full when it
   * refused a client with this error. Without it the pool asks no other pool for room. Costs no I/O.
   */
  makesRoom?(error: unknown, connection: object): boolean;
  /** Whether the end of a connection is news about its server, or concerns this session alone. Without it: always `server`. */
  classifyLoss?(cause: Error | undefined): 'server' | 'session';
  /** The text of what the connection ran last, without parameter values. */
  lastStatement?(connection: C): string | undefined;
  /** Figures of the prepared statements that the driver keeps on its connections. */
  statementStats?(): StatementStats;
}
