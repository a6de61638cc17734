import {
  areMadeAnew,
  judgeReuse,
  NOT_REUSED_CAUSES,
  type NotReusedCause,
  type PoolBeside,
  type ReuseFacts,
} from '../lifecycle/reuse.js';
import type { Context } from './context.js';
import { identityOf } from './identity.js';
import { notReused, poolsMadeAnew } from './notReused.js';
import { whenCollected } from './sharedLimit.js';
import type { Counters } from './stats.js';

/** The part of a pool that the others on the same target use. */
interface Neighbour {
  readonly isClosing: boolean;
  describe(now: number): PoolBeside;
}

/** The pools of this process that have connected to one target. Held weakly, because an app may make one for each request. */
interface Target {
  readonly pools: Set<WeakRef<Neighbour>>;
  hasWarned: boolean;
}

const targets = new Map<string, Target>();

/** Every so many new pools on a target, all of them are examined. With a thousand pools that takes long. */
const LOOK_EVERY = 20;

/**
 * Warns when connections are not reused, once for each cause. It judges when a connection was opened, so a pool that reuses its
 * connections spends no time on it.
 */
export class ReuseWatch<C extends object> {
  readonly #context: Context<C>;
  readonly #isClosing: () => boolean;
  readonly #warnedOf = new Set<NotReusedCause>();
  #since: Snapshot | undefined;
  /** The target holds it weakly, so this reference makes it live as long as the pool. */
  #self: Neighbour | undefined;

  constructor(context: Context<C>, isClosing: () => boolean) {
    this.#context = context;
    this.#isClosing = isClosing;
  }

  /** Called when a connection was opened. */
  opened(now: number): void {
    const { counters, policy, limits, membership } = this.#context;
    if (this.#self === undefined) this.#joinTarget(now);
    this.#since ??= snapshotOf(counters, now);
    const facts = differenceOf(snapshotOf(counters, now), this.#since);
    const verdict = judgeReuse(facts, limits);
    if (verdict === 'too-early') return;
    this.#since = undefined;
    if (verdict === 'reused' || this.#warnedOf.has(verdict)) return;
    this.#warnedOf.add(verdict);
    this.#warn(notReused(verdict, facts, policy, membership.owners));
  }

  #warn(message: string): void {
    this.#context.events.warn({ code: 'TENURE_NOT_REUSED', message });
  }

  /** Called when the pool has opened its first connection, to find out whether an app makes a pool for each request. */
  #joinTarget(now: number): void {
    const { policy, connector, counters } = this.#context;
    const isClosing = this.#isClosing;
    const self: Neighbour = {
      get isClosing() {
        return isClosing();
      },
      describe: (at) => ({ ageMs: at - now, acquired: counters.acquired, opened: counters.opened }),
    };
    this.#self = self;
    const { serverAddress, serverPort, database } = identityOf(policy, connector);
    if (serverAddress === undefined) return;
    const key = JSON.stringify([serverAddress, serverPort, database]);
    const target = targets.get(key) ?? { pools: new Set(), hasWarned: false };
    targets.set(key, target);
    const ref = new WeakRef(self);
    target.pools.add(ref);
    whenCollected.register(self, () => leave(key, target, ref));
    if (target.hasWarned || target.pools.size % LOOK_EVERY !== 0) return;
    const live = Array.from(target.pools, (pool) => pool.deref()).filter((pool) => pool && !pool.isClosing);
    const pools = live.map((pool) => pool!.describe(now));
    if (!areMadeAnew(pools)) return;
    target.hasWarned = true;
    this.#warn(poolsMadeAnew(pools.length, `${serverAddress}:${serverPort}/${database}`));
  }
}

function leave(key: string, target: Target, pool: WeakRef<Neighbour>): void {
  target.pools.delete(pool);
  if (target.pools.size === 0 && targets.get(key) === target) targets.delete(key);
}

type Snapshot = Pick<Counters, 'acquired' | 'opened' | 'lost'> & { readonly at: number };

function snapshotOf({ acquired, opened, lost }: Counters, at: number): Snapshot {
  return { at, acquired, opened, lost: { ...lost } };
}

function differenceOf(now: Snapshot, before: Snapshot): ReuseFacts {
  const lost = NOT_REUSED_CAUSES.map((cause) => [cause, now.lost[cause] - before.lost[cause]]);
  return {
    forMs: now.at - before.at,
    acquired: now.acquired - before.acquired,
    opened: now.opened - before.opened,
    lost: Object.fromEntries(lost) as ReuseFacts['lost'],
  };
}
