import type { SessionStatus } from '../../packages/core/src/errors.js';
import type { ConnectFailure, Connector, ResetMode, ResetResult } from '../../packages/core/src/pool/connector.js';
import type { FakeRuntime } from './fakeRuntime.js';

/** A connection to nothing, with everything a test may want to see or change. */
export interface FakeConnection {
  readonly id: number;
  isOpen: boolean;
  status: SessionStatus;
  /** How it ended, once it has. */
  ended: 'closed' | 'aborted' | undefined;
  /** Resets it went through. */
  readonly resets: ResetMode[];
  holdsProcess: boolean;
  /** Ends it from the server's side. */
  lose(cause?: Error): void;
  /** A write fails on it because its server takes none any more. */
  refuseWrite(): void;
}

/** How an operation of the fake server goes: how long it takes, and what it ends with. `never` does not end by itself. */
export type Outcome = { readonly afterMs?: number; readonly error?: Error } | 'never';

/** A server that does what the test tells it, in fake time. */
export class FakeConnector implements Connector<FakeConnection> {
  /** How the next operations go; a function is asked each time. */
  connecting: () => Outcome = () => ({});
  pinging: (connection: FakeConnection) => Outcome = () => ({});
  resetting: (connection: FakeConnection) => Outcome = () => ({});
  closing: (connection: FakeConnection) => Outcome = () => ({});
  /** How the server takes a look from outside. */
  probing: () => Outcome = () => ({});
  /** Whether the server of a connection takes writes. */
  takesWrites: (connection: FakeConnection) => boolean = () => true;
  failure: ConnectFailure = 'transient';
  /** Round trips that asked whether the server takes writes. */
  writableAsked = 0;

  /** What few drivers can do; a test that needs it gives it. */
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
