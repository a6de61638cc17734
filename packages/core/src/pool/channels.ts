import * as diagnostics from 'node:diagnostics_channel';
import type { Holder, PoolFigures } from '../errors.js';
import type { CheckLevel } from '../lifecycle/freshness.js';
import type { CloseReason } from '../lifecycle/state.js';
import type { EffectiveLimits } from '../policy/limits.js';
import { soon } from './clock.js';
import type { Connector, PipelineStats } from './connector.js';
import type { PoolIdentity } from './identity.js';
import type { PoolWarning } from './messages.js';
import type { BudgetStats } from './slotLocks.js';

/** The common part of all messages: the pool, and its figures when the message was made. Never an SQL value or a secret. */
export interface PoolContext extends PoolIdentity, PoolFigures {}

/** The data about one connection in a message. */
export interface ConnectionContext {
  /** The backend's process ID; absent if the driver has none. */
  readonly processId?: number;
  /** Milliseconds since it was opened. */
  readonly ageMs: number;
  /** How often it was checked out. */
  readonly uses: number;
}

/** The data that the end of an operation adds to its context. */
interface OperationContext extends PoolContext {
  /** How long it took, in milliseconds. Set before `asyncStart`, or before `error` if it failed. */
  tookMs?: number;
  /** Why it failed. */
  error?: unknown;
}

/** The context of each tracing channel: one object for all five of its channels. */
export interface TracingContexts {
  'tenure:pool:acquire': OperationContext;
  'tenure:connection:open': OperationContext;
  'tenure:connection:check': OperationContext & ConnectionContext & { readonly level: CheckLevel };
}

/** The message of each channel that has no start and end. */
export interface PointContexts {
  'tenure:connection:close': PoolContext &
    ConnectionContext & { readonly reason: CloseReason; readonly error?: unknown };
  'tenure:connection:leak': PoolContext & { readonly holder: Holder };
  'tenure:transaction:rollback': PoolContext & ConnectionContext;
  'tenure:pool:resize': PoolContext & EffectiveLimits;
  'tenure:pool:warning': PoolContext & PoolWarning;
  /** The value of `stats().budget`. */
  'tenure:budget:change': PoolContext & { readonly budget: BudgetStats };
  /** The value of `stats().pipelined`. */
  'tenure:pipeline:change': PoolContext & { readonly pipelined: PipelineStats };
}

type TracingName = keyof TracingContexts;
type PointName = keyof PointContexts;
type Added<T> = Omit<T, keyof OperationContext>;

// Read by name, since a runtime other than Node may have channels and no tracing channels: an import would fail there.
const tracing = (name: TracingName) => diagnostics.tracingChannel?.<string, object>(name);

const TRACING = {
  'tenure:pool:acquire': tracing('tenure:pool:acquire'),
  'tenure:connection:open': tracing('tenure:connection:open'),
  'tenure:connection:check': tracing('tenure:connection:check'),
} satisfies { readonly [N in TracingName]: unknown };

const POINTS: { readonly [N in PointName]: diagnostics.Channel } = {
  'tenure:connection:close': diagnostics.channel('tenure:connection:close'),
  'tenure:connection:leak': diagnostics.channel('tenure:connection:leak'),
  'tenure:transaction:rollback': diagnostics.channel('tenure:transaction:rollback'),
  'tenure:pool:resize': diagnostics.channel('tenure:pool:resize'),
  'tenure:pool:warning': diagnostics.channel('tenure:pool:warning'),
  'tenure:budget:change': diagnostics.channel('tenure:budget:change'),
  'tenure:pipeline:change': diagnostics.channel('tenure:pipeline:change'),
};

/** Whether any of the five channels has a subscriber. A tracing channel's own `hasSubscribers` is missing in some runtimes. */
function isObserved(channel: ReturnType<typeof tracing>): boolean {
  return (
    channel !== undefined &&
    (channel.start.hasSubscribers ||
      channel.end.hasSubscribers ||
      channel.asyncStart.hasSubscribers ||
      channel.asyncEnd.hasSubscribers ||
      channel.error.hasSubscribers)
  );
}

// Constants of the module, which the compiler can inline: the warm path reads them.
const silent = { hasSubscribers: false };
const none = { start: silent, end: silent, asyncStart: silent, asyncEnd: silent, error: silent };
const { start, end, asyncStart, asyncEnd, error } = TRACING['tenure:pool:acquire'] ?? none;

/** Whether acquires are traced. */
export const areAcquiresObserved = (): boolean =>
  start.hasSubscribers ||
  end.hasSubscribers ||
  asyncStart.hasSubscribers ||
  asyncEnd.hasSubscribers ||
  error.hasSubscribers;

export function connectionContext<C extends object>(
  connector: Connector<C>,
  connection: C,
  ageMs: number,
  uses: number,
): ConnectionContext {
  const processId = connector.processId?.(connection);
  return { ...(processId !== undefined && { processId }), ageMs, uses };
}

/** Publishes the events of a pool to `node:diagnostics_channel`. Without a subscriber no message is made. */
export class Channels {
  readonly #now: () => number;
  #describe: (() => PoolContext) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Starts publishing. */
  start(describe: () => PoolContext): void {
    this.#describe = describe;
  }

  /** Publishes once the pool has finished its step. A subscriber may acquire, release or drain, which would break a step in progress. */
  publish<N extends PointName>(name: N, more: () => Omit<PointContexts[N], keyof PoolContext>): void {
    const channel = POINTS[name];
    if (!channel.hasSubscribers || this.#describe === undefined) return;
    const message = { ...this.#describe(), ...more() };
    soon(() => channel.publish(message));
  }

  /** Runs an acquire, and publishes `start` before any part of it. */
  traceAcquire<T>(run: () => Promise<T>): Promise<T> {
    return this.#trace('tenure:pool:acquire', {}, run);
  }

  /** Runs an operation on a connection. With a subscriber it begins once the pool has finished its step, for the reason given at `publish`. */
  trace<N extends TracingName, T>(name: N, more: () => Added<TracingContexts[N]>, run: () => Promise<T>): Promise<T> {
    if (!isObserved(TRACING[name])) return run();
    const added = more();
    return new Promise<void>(soon).then(() => this.#trace(name, added, run));
  }

  /** Keeps the result out of the context: it is a connection, whose client has a password. */
  async #trace<T>(name: TracingName, added: object, run: () => Promise<T>): Promise<T> {
    const context: OperationContext = { ...this.#describe!(), ...added };
    const beganAt = this.#now();
    let result: T;
    const running = async () => {
      try {
        result = await run();
      } finally {
        context.tookMs = this.#now() - beganAt;
      }
    };
    await TRACING[name]!.tracePromise(running, context);
    return result!;
  }
}
