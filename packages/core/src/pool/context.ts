import { soonestMaintenanceMs } from '../lifecycle/retirement.js';
import { type EffectiveLimits, effectiveLimits, type Limits, withLimits } from '../policy/limits.js';
import type { Policy } from '../policy/policy.js';
import { Channels } from './channels.js';
import { Alarm, Clock, type Runtime } from './clock.js';
import type { Connector, PoolReport } from './connector.js';
import { Events } from './events.js';
import { ServerRecord } from './server.js';
import type { Membership } from './sharedLimit.js';
import type { Admission } from './slotLocks.js';
import { Counters } from './stats.js';
import { Uses } from './uses.js';

/** What all parts of one pool share. */
export class Context<C extends object> {
  readonly connector: Connector<C>;
  readonly runtime: Runtime;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly counters = new Counters();
  readonly channels: Channels;
  readonly events: Events<C>;
  readonly uses: Uses<C>;
  readonly server = new ServerRecord();
  readonly loop = new RunLoop();
  /** The one timer of the pool's maintenance. */
  readonly alarm: Alarm;
  /** The budget that the pool shares with other processes. Without one nothing is asked, and no timer set. */
  budget: Admission<C> | undefined = undefined;
  #policy: Policy;
  #granted = Number.POSITIVE_INFINITY;
  #limits: EffectiveLimits;
  #soonest: Soonest;

  constructor(connector: Connector<C>, policy: Policy, runtime: Runtime, membership: Membership) {
    this.connector = connector;
    this.runtime = runtime;
    this.membership = membership;
    this.clock = new Clock(runtime);
    this.alarm = new Alarm(runtime);
    this.uses = new Uses(runtime);
    this.channels = new Channels(() => runtime.now());
    this.events = new Events((warning) => this.channels.publish('tenure:pool:warning', () => warning));
    this.#policy = policy;
    this.#limits = effectiveLimits(policy, this.#granted);
    this.#soonest = soonest(connector, policy, this.#limits);
  }

  /** What the user has set, with the source of each setting. Replaced as a whole by `resize`; a policy itself never changes. */
  get policy(): Policy {
    return this.#policy;
  }

  /** The limits that hold now: those of the policy, or less where less was granted. */
  get limits(): EffectiveLimits {
    return this.#limits;
  }

  get soonest(): Soonest {
    return this.#soonest;
  }

  /** @throws TenurePolicyError when the limits do not fit together */
  resize(limits: Limits): void {
    this.#setLimits(withLimits(this.#policy, limits), this.#granted);
  }

  /** Bounds the pool beside its policy. @param connections at most; `Infinity` for no bound */
  grant(connections: number): void {
    this.#setLimits(this.#policy, connections);
  }

  /** What the driver reports about its part. */
  get report(): PoolReport {
    const { connector, events, channels } = this;
    return {
      warn: (warning) => events.warn(warning),
      pipelineChanged() {
        channels.publish('tenure:pipeline:change', () => ({ pipelined: connector.pipelineStats!()! }));
      },
    };
  }

  /** Where a connection is asked for, which a leak report names. `undefined` where none is wanted: to find out takes long. */
  stackAbove(method: (...args: never[]) => unknown): string | undefined {
    if (this.#policy.leakAfterMs === Number.POSITIVE_INFINITY) return undefined;
    const place: { stack?: string } = {};
    Error.captureStackTrace(place, method);
    return place.stack?.split('\n').slice(1).join('\n');
  }

  #setLimits(policy: Policy, granted: number): void {
    this.#policy = policy;
    this.#granted = granted;
    this.#limits = effectiveLimits(policy, granted);
    this.#soonest = soonest(this.connector, policy, this.#limits);
    this.channels.publish('tenure:pool:resize', () => this.#limits);
  }
}

/** How long after a checkout, or after it became idle, a connection can first need maintenance. */
interface Soonest {
  readonly usedMs: number;
  readonly idleMs: number;
}

function soonest<C extends object>(connector: Connector<C>, policy: Policy, limits: EffectiveLimits): Soonest {
  return {
    usedMs: Math.min(policy.leakAfterMs, firstLookMs(connector, policy)),
    idleMs: soonestMaintenanceMs(policy, limits),
  };
}

/** How long after a checkout to look for a query in flight first; `Infinity` where the driver cannot, or the policy turns it off. */
export function firstLookMs<C extends object>(connector: Connector<C>, policy: Policy): number {
  return connector.queryInFlight && connector.findLost ? policy.inFlightCheckMs / 2 : Number.POSITIVE_INFINITY;
}

/**
 * The one place that brings callers and connections together after an event. Each part requests a run when an event may let a caller be served
 * or a connection be opened; an event during a run gets a run of its own afterwards, never in the middle of the current one.
 */
class RunLoop {
  #run: ((now: number) => void) | undefined;
  #isRunning = false;
  #isRequested = false;
  #requestedAt = Number.NEGATIVE_INFINITY;

  /** From now on requests are carried out. */
  start(run: (now: number) => void): void {
    this.#run = run;
  }

  request(now: number): void {
    this.#isRequested = true;
    this.#requestedAt = now;
    if (this.#isRunning || this.#run === undefined) return;
    this.#isRunning = true;
    try {
      while (this.#isRequested) {
        this.#isRequested = false;
        this.#run(this.#requestedAt);
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
