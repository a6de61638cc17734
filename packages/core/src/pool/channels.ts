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

/** What each message of a channel has: which pool, and its figures when the message was made. Never an SQL value or a secret. */
export interface PoolContext extends PoolIdentity, PoolFigures {}

/** What a message has about one connection. */
export interface ConnectionContext {
  /** The backend's process ID; absent where the driver cannot say. */
  readonly processId?: number;
  /** Milliseconds since it was opened. */
  readonly ageMs: number;
  /** How often it was checked out. */
  readonly uses: number;
}

/** What the end of an operation adds to its context. */
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
  /** What `stats().budget` has. */
  'tenure:budget:change': PoolContext & { readonly budget: BudgetStats };
  /** What `stats().pipelined` has. */
  'tenure:pipeline:change': PoolContext & { readonly pipelined: PipelineStats };
}

type TracingName = keyof TracingContexts;
type PointName = keyof PointContexts;
type Added<T> = Omit<T, keyof OperationContext>;

// A runtime other than Node may have channels and no tracing channels: by name, an import of them would fail there.
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

/** Whether someone has subscribed to any of the five channels. A tracing channel's own `hasSubscribers` is missing in some runtimes. */
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

// Constants of the module, which the compiler can look into: this is asked on the warm path.
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

/** Publishes what a pool does to `node:diagnostics_channel`. Without a subscriber no message is made. */
export class Channels {
  readonly #now: () => number;
  #describe: (() => PoolContext) | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** From now on messages are published. */
  start(describe: () => PoolContext): void {
    this.#describe = describe;
  }

  /** Publishes once the pool has finished its step: a subscriber may acquire, release or drain, and must not do so in the middle of the step. */
  publish<N extends PointName>(name: N, more: () => Omit<PointContexts[N], keyof PoolContext>): void {
    const channel = POINTS[name];
    if (!channel.hasSubscribers || this.#describe === undefined) return;
    const message = { ...this.#describe(), ...more() };
    soon(() => channel.publish(message));
  }

  /** Runs an acquire, whose `start` is published before anything of it has happened. */
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
