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

/** The state that all parts of one pool share. */
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
  /** The budget that the pool shares with other processes. Without one no statement is sent for it, and no timer set. */
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

  /** The settings of the user, with the source of each. `resize` replaces the whole policy; a policy itself never changes. */
  get policy(): Policy {
    return this.#policy;
  }

  /** The limits that apply now: those of the policy, or less if less was granted. */
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

  /** Bounds the pool, without a change of its policy. @param connections the most it may have; `Infinity` for no bound */
  grant(connections: number): void {
    this.#setLimits(this.#policy, connections);
  }

  /** The functions by which the driver reports. */
  get report(): PoolReport {
    const { connector, events, channels } = this;
    return {
      warn: (warning) => events.warn(warning),
      pipelineChanged() {
        channels.publish('tenure:pipeline:change', () => ({ pipelined: connector.pipelineStats!()! }));
      },
    };
  }

  /** The stack of the call that acquires, for a leak report. `undefined` without a leak report, because a stack takes long to capture. */
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

/** The shortest times after a checkout, and after a connection became idle, until it can need maintenance. */
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

/** How long after a checkout to look for a query in flight first; `Infinity` if the driver cannot, or the policy turns it off. */
export function firstLookMs<C extends object>(connector: Connector<C>, policy: Policy): number {
  return connector.queryInFlight && connector.findLost ? policy.inFlightCheckMs / 2 : Number.POSITIVE_INFINITY;
}

/**
 * The one place that brings callers and connections together after an event. Each part requests a run when an event may allow a
 * caller to be served or a connection to be opened. An event during a run gets a run of its own afterwards, never in the middle
 * of the current one.
 */
class RunLoop {
  #run: ((now: number) => void) | undefined;
  #isRunning = false;
  #isRequested = false;
  #requestedAt = Number.NEGATIVE_INFINITY;

  /** Starts running: requests before this wait for it. */
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
