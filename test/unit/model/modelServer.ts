import type { ConnectFailure } from '../../../packages/core/src/pool/connector.js';
import { type FakeConnection, FakeConnector, type Outcome } from '../../support/fakeConnector.js';
import type { FakeRuntime } from '../../support/fakeRuntime.js';

/** How a connect goes; `lost` is one whose connection ends before it is handed over. */
export type ConnectOutcome = { readonly afterMs: number; readonly ends: 'ok' | 'lost' | 'never' | ConnectFailure };

/** The abilities of this run's driver. */
export interface Abilities {
  readonly ping: boolean;
  readonly isOpen: boolean;
  readonly reset: boolean;
  readonly probe: boolean;
  readonly validate: boolean;
}

type Connect = Parameters<FakeConnector['connect']>;

const LATE_MS = 100;
/** A connect may be late from the first of these on, and is late from the second. */
const CONNECT_MAY_BE_LATE_MS = 400;
const CONNECT_IS_LATE_MS = 1_000;
/** How long a connection may be silent at most; one with an unfinished query: as many times healthTimeoutMs. */
const SILENT_MS = 10_000;
const UNFINISHED_FACTOR = 4;

class ConnectError extends Error {
  constructor(readonly kind: ConnectFailure) {
    super(`connect failed: ${kind}`);
  }
}

/** The fake server, with books of its own: what it has open or is opening, and what a connect was asked for when. */
export class ModelServer extends FakeConnector {
  connectsAs: ConnectOutcome = { afterMs: 0, ends: 'ok' };
  /** Duration of the last check that was answered. */
  roundTripMs = 0;
  /** Connects that were given up because others were answered: they do not say that the server is away. */
  overtaken = 0;
  /** When the connects began that are under way, as the server would count them: until they end or are hung up on. */
  readonly #inFlight = new Map<object, number>();
  /** When questions were asked that the server has answered, and when it answered them. */
  readonly #answers: { readonly askedAt: number; readonly at: number }[] = [];
  /** Since when connections were silent that the pool has given up. */
  readonly #gaveUp = new WeakMap<FakeConnection, number>();
  /** When the latest of the connects began that have succeeded. */
  succeededFrom = Number.NEGATIVE_INFINITY;
  /** Called before each connect; answers the generation it belongs to. */
  beforeConnect: () => number = () => 0;
  /** Called when a connect has succeeded. */
  arrives: (connection: FakeConnection) => void = () => {};
  /** Called before a connection is closed or dropped. */
  beforeEnd: (connection: FakeConnection) => void = () => {};
  /** Called before a connection changes hands. */
  beforeRef: (connection: FakeConnection) => void = () => {};
  /** Connections whose end the driver has reported. */
  readonly toldLost = new WeakSet<FakeConnection>();
  /** Connections of which the driver has reported that their server takes no writes any more. */
  readonly toldReadOnly = new WeakSet<FakeConnection>();
  /** The moment of each connection's last answer. */
  readonly heardAt = new WeakMap<FakeConnection, number>();
  /** Since when each waits for a borrower, if it does. */
  readonly idleSince = new WeakMap<FakeConnection, number>();
  readonly generationOf = new WeakMap<FakeConnection, number>();
  /** Aborted where the pool has given the connect up. */
  readonly connectOf = new WeakMap<FakeConnection, AbortSignal>();
  /** Connections whose last reset failed, or took too long. */
  readonly resetFailed = new WeakSet<FakeConnection>();
  readonly checkFailed = new WeakSet<FakeConnection>();

  constructor(
    private readonly clock: FakeRuntime,
    abilities: Abilities,
  ) {
    super(clock);
    for (const name of ['ping', 'isOpen', 'reset', 'probe'] as const) {
      if (!abilities[name]) Object.assign(this, { [name]: undefined });
    }
    // Every other server is a reader to begin with, and a pool that wants writers must not take it.
    this.takesWrites = ({ id }) => id % 2 === 0;
    if (abilities.validate) Object.assign(this, { validate: (connection: FakeConnection) => connection.isOpen });
    this.connecting = () => outcomeOf(this.connectsAs);
  }

  override async connect(...[signal, onLost, onReadOnly]: Connect): Promise<FakeConnection> {
    const generation = this.beforeConnect();
    const { ends } = this.connectsAs;
    const attempt = {};
    const askedAt = this.clock.time;
    const uncount = () => void this.#inFlight.delete(attempt);
    this.#inFlight.set(attempt, askedAt);
    signal.addEventListener('abort', () => {
      uncount();
      if (signal.reason.name === 'OvertakenError') this.overtaken++;
    });
    try {
      const connection = await super.connect(
        signal,
        (cause) => {
          this.toldLost.add(connection);
          onLost(cause);
        },
        () => {
          this.toldReadOnly.add(connection);
          onReadOnly?.();
        },
      );
      this.generationOf.set(connection, generation);
      this.connectOf.set(connection, signal);
      this.heard(connection);
      this.succeededFrom = Math.max(this.succeededFrom, askedAt);
      this.arrives(connection);
      this.answered(askedAt);
      if (ends === 'lost') connection.lose();
      return connection;
    } catch (error) {
      if (error instanceof ConnectError) this.answered(askedAt);
      throw error;
    } finally {
      uncount();
    }
  }

  override async ping(connection: FakeConnection, signal: AbortSignal): Promise<void> {
    this.checkFailed.add(connection);
    const askedAt = this.clock.time;
    await this.#timed(connection, signal, () => super.ping(connection, signal));
    this.roundTripMs = this.clock.time - askedAt;
    this.answered(askedAt);
    this.checkFailed.delete(connection);
    this.heardAt.set(connection, this.clock.time);
  }

  override async probe(connection: FakeConnection, signal: AbortSignal): Promise<void> {
    const askedAt = this.clock.time;
    await super.probe(connection, signal);
    this.answered(askedAt);
  }

  override async isWritable(connection: FakeConnection, signal: AbortSignal): Promise<boolean> {
    this.checkFailed.add(connection);
    const askedAt = this.clock.time;
    const writable = await this.#timed(connection, signal, () => super.isWritable(connection, signal));
    this.roundTripMs = this.clock.time - askedAt;
    this.answered(askedAt);
    this.checkFailed.delete(connection);
    this.heardAt.set(connection, this.clock.time);
    return writable;
  }

  override async reset(...args: Parameters<FakeConnector['reset']>): ReturnType<FakeConnector['reset']> {
    const [connection, mode, signal] = args;
    this.resetFailed.add(connection);
    const result = await this.#timed(connection, mode === 'session' ? undefined : signal, () => super.reset(...args));
    this.resetFailed.delete(connection);
    this.heard(connection);
    return result;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Connects under way that the pool must still count on. */
  get punctual(): number {
    return [...this.#inFlight.values()].filter((at) => this.clock.time - at < CONNECT_MAY_BE_LATE_MS).length;
  }

  /** Connects under way that the pool must not count on any more. */
  get lateConnects(): number {
    return [...this.#inFlight.values()].filter((at) => this.clock.time - at > CONNECT_IS_LATE_MS).length;
  }

  /** The server has answered, be it a borrower, what was asked at this moment. */
  answered(askedAt: number): void {
    this.#answers.push({ askedAt, at: this.clock.time });
  }

  /** Whether a silent connection may have been given up: later requests of others were answered, or none for long. */
  mayHaveBeenGivenUp(connection: FakeConnection, at: number, healthTimeoutMs: number): boolean {
    const askedAt = this.#gaveUp.get(connection);
    const isUnfinished = connection.status === 'active' && at - (askedAt ?? 0) >= UNFINISHED_FACTOR * healthTimeoutMs;
    if (askedAt === undefined || isUnfinished || at - askedAt >= SILENT_MS) return true;
    const isEvidence = (answer: { readonly askedAt: number; readonly at: number }) =>
      answer.askedAt >= askedAt + healthTimeoutMs / 2 && answer.at <= at;
    return at - askedAt >= healthTimeoutMs && (this.probe === undefined || this.#answers.some(isEvidence));
  }

  /** Checks and resets that have taken so long that no caller should wait for them. */
  get lateOperations(): number {
    const begun = [...this.#begun].filter(([{ ended }]) => ended === undefined);
    return begun.filter(([, at]) => this.clock.time - at > LATE_MS).length;
  }

  readonly #begun = new Map<FakeConnection, number>();

  /** @param signal the pool's, where it is the server's silence that decides when the pool gives up */
  async #timed<T>(connection: FakeConnection, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const askedAt = this.clock.time;
    this.#begun.set(connection, askedAt);
    try {
      return await run();
    } catch (error) {
      if (signal?.aborted) this.#gaveUp.set(connection, askedAt);
      throw error;
    } finally {
      this.#begun.delete(connection);
    }
  }

  /** Connections open whose connect has ended. */
  get arrived(): number {
    return this.live.filter((connection) => this.generationOf.has(connection)).length;
  }

  /** Called when a connection came back, or was opened. */
  heard(connection: FakeConnection): void {
    this.heardAt.set(connection, this.clock.time);
    this.idleSince.set(connection, this.clock.time);
  }

  override async close(connection: FakeConnection): Promise<void> {
    this.beforeEnd(connection);
    await super.close(connection);
  }

  override abort(connection: FakeConnection): void {
    this.beforeEnd(connection);
    super.abort(connection);
  }

  override ref(connection: FakeConnection): void {
    this.beforeRef(connection);
    super.ref(connection);
  }

  override classifyConnectError(error?: unknown): ConnectFailure {
    return error instanceof ConnectError ? error.kind : 'transient';
  }
}

function outcomeOf({ afterMs, ends }: ConnectOutcome): Outcome {
  if (ends === 'never') return 'never';
  return ends === 'ok' || ends === 'lost' ? { afterMs } : { afterMs, error: new ConnectError(ends) };
}
