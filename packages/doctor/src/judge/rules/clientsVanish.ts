import { countersAt, type Facts } from '../facts.js';
import { percent, plural, round } from '../format.js';
import type { Rule } from './rule.js';

const LEAST = 10;
const SHARE = 0.2;
/** A process that ends leaves its sessions at one moment. After a deployment that is harmless. */
const BURST = 5;
const BURSTS_SHARE = 0.8;
const LEAST_PARTS = 3;
const PARTS = 6;

/** Clients disappear without a Terminate message: the server finds the connection closed. */
export const clientsVanish: Rule = (facts) =>
  [...facts.rises].flatMap(([database, rise]) => {
    if (!rise || rise.abandoned < LEAST) return [];
    const ended = Math.max(rise.ended, rise.abandoned, rise.sessions);
    const share = rise.abandoned / ended;
    if (share < SHARE) return [];
    const inBursts = endsInBursts(facts, database) || !spreads(facts, database);
    return [
      {
        id: 'clients-vanish',
        severity: inBursts ? 'info' : 'warning',
        group: null,
        evidence: { abandoned: rise.abandoned, ended, share: round(share), database, inBursts },
        what: `${plural(rise.abandoned, 'session')} of ${database || 'the database'} (${percent(share)} of those that ended) ended because the client disappeared without closing its connection${inBursts ? ', many at once' : ''}.`,
        why: 'Their open transactions are rolled back, and their slots and locks stay taken until the server notices.',
        cause: inBursts
          ? 'Likeliest: processes ended without closing their connections, as in a deployment. Second: a network device cut many at once.'
          : 'Likeliest: processes are killed, or exit without end(). Second: a load balancer or NAT cuts idle connections. Then all of them had been idle for the same time.',
        fix: 'Close the pool when the process is asked to stop (SIGTERM): pool.end(), knex.destroy(), prisma.$disconnect(). With Tenure (Node.js): pool.drain(), and CONN_KEEPALIVE shorter than the idle timeout of any load balancer or NAT in between.',
      } as const,
    ];
  });

function endsInBursts({ lives }: Facts, database: string): boolean {
  const bySample = new Map<number, number>();
  const died = lives.filter((life) => life.died && (life.database ?? '') === database);
  for (const { lastSeen } of died) bySample.set(lastSeen, (bySample.get(lastSeen) ?? 0) + 1);
  const inBursts = [...bySample.values()].filter((number) => number >= BURST).reduce((sum, number) => sum + number, 0);
  return died.length > 0 && inBursts >= BURSTS_SHARE * died.length;
}

function spreads(facts: Facts, database: string): boolean {
  const { from, to } = facts;
  const at = (part: number) => {
    const time = from + ((to - from) * part) / PARTS;
    return countersAt(facts, time, database)?.abandoned ?? 0;
  };
  const rising = Array.from({ length: PARTS }, (_, part) => at(part + 1) > at(part)).filter(Boolean);
  return rising.length >= LEAST_PARTS;
}
