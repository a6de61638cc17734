import { duration, plural, round } from '../format.js';
import { push } from '../groups.js';
import type { Life } from '../lives.js';
import type { Rule } from './rule.js';

const SILENT_MS = 2 * 3_600_000;
const LATE_KEEPALIVE_SECONDS = 7_200;

/** Sessions of an address that has been silent for hours, while the server's keepalive is too late to notice a dead peer. */
export const halfOpen: Rule = ({ server, groups, to }) => {
  const keepalive = server?.tcpKeepalivesIdleSeconds ?? 0;
  if (keepalive < LATE_KEEPALIVE_SECONDS) return [];
  const byAddress = new Map<string, Life[]>();
  for (const { lives } of groups) {
    for (const life of lives) if (life.address !== null) push(byAddress, life.address, life);
  }
  return [...byAddress].flatMap(([address, lives]) => {
    const silent = lives.filter((life) => silentMs(life, to) >= SILENT_MS);
    const others = lives.filter((life) => !silent.includes(life));
    if (silent.length === 0 || others.some(({ moves, born }) => moves.length > 0 || born)) return [];
    const shortest = Math.min(...silent.map((life) => silentMs(life, to)));
    return [
      {
        id: 'half-open',
        severity: 'info',
        group: groups.find((group) => group.lives.includes(silent[0]!))?.name ?? null,
        evidence: {
          address,
          sessions: silent.length,
          silentHours: round(shortest / 3_600_000, 1),
          tcpKeepalivesIdleSeconds: keepalive,
        },
        what: `${plural(silent.length, 'session')} from ${address} have been silent for ${duration(shortest)} or more, and no other session from that address has done anything.`,
        why: `The client may be gone without a trace. The server checks only after ${duration(keepalive * 1_000)} of silence, and keeps the slots until then.`,
        cause:
          'Likeliest: a machine, a container or a NAT entry went away. Second: the app is alive and has had nothing to do. Then its sessions work again as soon as a request comes.',
        fix: 'Set tcp_keepalives_idle = 60 and client_connection_check_interval = 10s on the server. With Tenure (Node.js): CONN_KEEPALIVE=120, its default, checks idle connections from the app’s side.',
      } as const,
    ];
  });
};

function silentMs({ rests, lastSeen, moves }: Life, to: number): number {
  const rest = rests.at(-1);
  return rest && moves.length === 0 && lastSeen === to ? to - rest.from : 0;
}
