import type { Exchange } from './checkout.js';
import type { Roster } from './connections.js';
import type { Context } from './context.js';
import type { LimitMember } from './sharedLimit.js';

/** A pool, for those that share its limit. */
export function memberOf<C extends object>(context: Context<C>, roster: Roster<C>, exchange: Exchange<C>): LimitMember {
  const { connector, membership, runtime } = context;
  return {
    get places() {
      return membership.census.total;
    },
    get idleMs() {
      const coldest = roster.idle.bottom;
      return coldest && runtime.now() - coldest.idleSince;
    },
    closeColdest: () => exchange.retire(roster.idle.bottom!, 'overflow'),
    pump: () => exchange.pump(runtime.now()),
    isStalled: (forMs) => {
      const since = runtime.now() - forMs;
      return [...roster.slots].every(({ kind, takenAt, connection }) => {
        return kind === 'used' && takenAt <= since && connector.transactionStatus?.(connection) !== 'active';
      });
    },
  };
}
