import type { SessionStatus } from '../../packages/core/src/errors.js';
import type { ConnectFailure, Connector, ResetMode, ResetResult } from '../../packages/core/src/pool/connector.js';
import type { FakeRuntime } from './fakeRuntime.js';

/** A connection to nothing, with all that a test may read or change. */
export interface FakeConnection {
  readonly id: number;
  isOpen: boolean;
  status: SessionStatus;
  /** How it ended; `undefined` before. */
  ended: 'closed' | 'aborted' | undefined;
  /** The resets that it went through. */
  readonly resets: ResetMode[];
  holdsProcess: boolean;
  /** Ends it from the server's side. */
  lose(cause?: Error): void;
  /** Makes a write fail on it, as on a server that takes no writes any more. */
  refuseWrite(): void;
}

/** The outcome of an operation on the fake server: its duration and its error. `never` does not end by itself. */
export type Outcome = { readonly afterMs?: number; readonly error?: Error } | 'never';

/** A server whose behaviour the test sets, in fake time. */
export class FakeConnector implements Connector<FakeConnection> {
  /** The outcomes of the next operations; each is a function that is called for every operation. */
  connecting: () => Outcome = () => ({});
  pinging: (connection: FakeConnection) => Outcome = () => ({});
  resetting: (connection: FakeConnection) => Outcome = () => ({});
  closing: (connection: FakeConnection) => Outcome = () => ({});
  /** The outcome of a probe of the server from outside the pool. */
  probing: () => Outcome = () => ({});
  /** Whether the server of a connection takes writes. */
  takesWrites: (connection: FakeConnection) => boolean = () => true;
  failure: ConnectFailure = 'transient';
  /** Round trips that queried whether the server takes writes. */
  writableAsked = 0;

  /** A function that few drivers have; a test that needs it sets it. */
  makesRoom?: NonNullable<Connector<FakeConnection>['makesRoom']>;
  queryInFlight?: NonNullable<Connector<FakeConnection>['queryInFlight']>;
  findLost?: NonNullable<Connector<FakeConnection>['findLost']>;
  breakOff?: NonNullable<Connector<FakeConnection>['breakOff']>;

  readonly opened: FakeConnection[] = [];
  connects = 0;
  pings = 0;
  probes = 0;

  constructor(private readonly runtime: FakeRuntime) {}

  /** Connections that the server still has open. */
  get live(): FakeConnection[] {
    return this.opened.filter(({ ended }) => ended === undefined);
  }

  async connect(
    signal: AbortSignal,
    onLost: (cause?: Error) => void,
    onReadOnly: () => void = () => {},
  ): Promise<FakeConnection> {
    this.connects++;
    await this.#play(this.connecting(), signal);
    const connection: FakeConnection = {
      id: this.opened.length + 1,
      isOpen: true,
      status: 'idle',
      ended: undefined,
      resets: [],
      holdsProcess: true,
      lose: (cause) => {
        connection.isOpen = false;
        connection.ended ??= 'aborted';
        onLost(cause);
      },
      refuseWrite: onReadOnly,
    };
    this.opened.push(connection);
    return connection;
  }

  async close(connection: FakeConnection): Promise<void> {
    connection.isOpen = false;
    await this.#play(this.closing(connection));
    connection.ended ??= 'closed';
  }

  abort(connection: FakeConnection): void {
    connection.isOpen = false;
    connection.ended ??= 'aborted';
  }

  async ping(connection: FakeConnection, signal: AbortSignal): Promise<void> {
    this.pings++;
    await this.#play(this.pinging(connection), signal);
  }

  async probe(_connection: FakeConnection, signal: AbortSignal): Promise<void> {
    this.probes++;
    await this.#play(this.probing(), signal);
  }

  async isWritable(connection: FakeConnection, signal: AbortSignal): Promise<boolean> {
    this.writableAsked++;
    await this.#play(this.pinging(connection), signal);
    return this.takesWrites(connection);
  }

  isOpen(connection: FakeConnection): boolean {
    return connection.isOpen;
  }

  transactionStatus(connection: FakeConnection): SessionStatus {
    return connection.status;
  }

  async reset(connection: FakeConnection, mode: ResetMode, signal: AbortSignal): Promise<ResetResult<FakeConnection>> {
    connection.resets.push(mode);
    await this.#play(this.resetting(connection), signal);
    const rolledBack = mode !== 'settle' && connection.status !== 'idle' && connection.status !== 'active';
    if (mode !== 'settle') connection.status = 'idle';
    return { rolledBack };
  }

  processId(connection: FakeConnection): number {
    return 1000 + connection.id;
  }

  ref(connection: FakeConnection): void {
    connection.holdsProcess = true;
  }

  unref(connection: FakeConnection): void {
    connection.holdsProcess = false;
  }

  classifyConnectError(): ConnectFailure {
    return this.failure;
  }

  async #play(outcome: Outcome, signal?: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
    });
    aborted.catch(() => {});
    if (outcome === 'never') return aborted;
    if (outcome.afterMs) await Promise.race([this.runtime.sleep(outcome.afterMs), aborted]);
    if (outcome.error) throw outcome.error;
  }
}
