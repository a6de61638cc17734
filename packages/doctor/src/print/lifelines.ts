import type { Facts } from '../judge/facts.js';
import type { Trace } from '../page/plots.js';

/** A window in the form of the plots, in seconds since its beginning. */
export function traceOf({ samples, lives, from }: Facts): Trace {
  const since = (at: number) => (at - from) / 1_000;
  return {
    samples: samples.map(({ at, sessions }) => ({ at: since(at), connections: sessions.length })),
    lifelines: lives
      .map(({ pid, bornAt, firstSeen, lastSeen, born, worked }) => ({
        pid,
        bornAt: since(born ? Math.min(bornAt, firstSeen) : firstSeen),
        lastSeenAt: since(lastSeen),
        worked: worked.map((span) => ({ from: since(span.from), to: since(span.to) })),
      }))
      .sort((a, b) => a.bornAt - b.bornAt),
  };
}
