import type { ConnectFailure } from '../../../packages/core/src/pool/connector.js';
import { type FakeConnection, FakeConnector, type Outcome } from '../../support/fakeConnector.js';
import type { FakeRuntime } from '../../support/fakeRuntime.js';

/** How a connect goes; `lost` is one whose connection ends before it is handed over. */
export type ConnectOutcome = { readonly afterMs: number; readonly ends: 'ok' | 'lost' | 'never' | ConnectFailure };

/** What the driver of this run can do. */
export interface Abilities {
  readonly ping: boolean;
  readonly isOpen: boolean;
  readonly reset: boolean;
  readonly validate: boolean;
}

type Connect = Parameters<FakeConnector['connect']>;

const LATE_MS = 100;

class ConnectError extends Error {
  constructor(readonly kind: ConnectFailure) {
    super(`connect failed: ${kind}`);
  }
}

/** The fake server, with books of its own: what it has open or is opening, and what a connect was asked for when. */
export class ModelServer extends FakeConnector {
  connectsAs: ConnectOutcome = { afterMs: 0, ends: 'ok' };
  /** Connects under way, as the server would count them: until they end or are hung up on. */
  inFlight = 0;
  /** Called before each connect; answers the generation it belongs to. */
  beforeConnect: () => number = () => 0;
  /** Called when a connect has succeeded. */
  arrives: (connection: FakeConnection) => void = () => {};
  /** Called before a connection is closed or dropped. */
  beforeEnd: (connection: FakeConnection) => void = () => {};
  /** Called before a connection changes hands. */
  beforeRef: (connection: FakeConnection) => void = () => {};
  /** Connections whose end the driver has told of. */
  readonly toldLost = new WeakSet<FakeConnection>();
  /** Connections whose server takes no writes any more, as the driver has told. */
  readonly toldReadOnly = new WeakSet<FakeConnection>();
  /** When each was last heard from. */
  readonly heardAt = new WeakMap<FakeConnection, number>();
  /** Since when each waits for a borrower, if it does. */
  readonly idleSince = new WeakMap<FakeConnection, number>();
  readonly generationOf = new WeakMap<FakeConnection, number>();
  /** Connections whose last reset failed, or took too long. */
  readonly resetFailed = new WeakSet<FakeConnection>();
  readonly checkFailed = new WeakSet<FakeConnection>();

  constructor(
    private readonly clock: FakeRuntime,
    abilities: Abilities,
  ) {
    super(clock);
    for (const name of ['ping', 'isOpen', 'reset'] as const) {
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
    let counted = true;
    const uncount = () => {
      if (counted) this.inFlight--;
      counted = false;
    };
    this.inFlight++;
    signal.addEventListener('abort', uncount);
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
      this.heard(connection);
      this.arrives(connection);
      if (ends === 'lost') connection.lose();
      return connection;
    } finally {
      uncount();
    }
  }

  override async ping(connection: FakeConnection, signal: AbortSignal): Promise<void> {
    this.checkFailed.add(connection);
    await this.#timed(connection, () => super.ping(connection, signal));
    this.checkFailed.delete(connection);
    this.heardAt.set(connection, this.clock.time);
  }

  override async isWritable(connection: FakeConnection, signal: AbortSignal): Promise<boolean> {
    this.checkFailed.add(connection);
    const writable = await this.#timed(connection, () => super.isWritable(connection, signal));
    this.checkFailed.delete(connection);
    this.heardAt.set(connection, this.clock.time);
    return writable;
  }

  override async reset(...args: Parameters<FakeConnector['reset']>): ReturnType<FakeConnector['reset']> {
    const [connection] = args;
    this.resetFailed.add(connection);
    const result = await this.#timed(connection, () => super.reset(...args));
    this.resetFailed.delete(connection);
    this.heard(connection);
    return result;
  }

  /** Checks and resets that have taken so long that nobody should wait for them. */
  get lateOperations(): number {
    const begun = [...this.#begun].filter(([{ ended }]) => ended === undefined);
    return begun.filter(([, at]) => this.clock.time - at > LATE_MS).length;
  }

  readonly #begun = new Map<FakeConnection, number>();

  async #timed<T>(connection: FakeConnection, run: () => Promise<T>): Promise<T> {
    this.#begun.set(connection, this.clock.time);
    try {
      return await run();
    } finally {
      this.#begun.delete(connection);
    }
  }

  /** Connections open whose connect has ended. */
  get arrived(): number {
    return this.live.filter((connection) => this.generationOf.has(connection)).length;
  }

  /** It came back, or was opened. */
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
