import { isLogin } from '../../sample/sample.js';
import type { Facts } from '../facts.js';
import { duration, median, percent, plural, round } from '../format.js';
import type { Rule } from './rule.js';

const FULL_SHARE = 0.97;
const WARN_SHARE = 0.85;
const INFO_SHARE = 0.7;
/** One sample above the limit is a warning; this long is an outage. */
const FULL_FOR_MS = 1_000;
/** A slot that a login takes is free again in a moment; a session's slot is not. */
export const HELD_SHARE = 0.5;

export interface Fullness {
  readonly limit: number;
  /** Whose limit it is: the server's, a role's or a database's. */
  readonly of: string;
  readonly peak: number;
  /** How long 97 % or more of the slots were taken. */
  readonly fullMs: number;
  /** Median share of the slots that sessions held while it was full. Logins are left out: at a start they fill it for a moment. */
  readonly heldShare: number;
  readonly fullFrom: number;
  readonly fullTo: number;
}

/** How near the server, each limited role and each limited database came to its limit. */
export function fullnessOf(facts: Facts): Fullness[] {
  const { server, limit, samples } = facts;
  const all = samples.map(({ sessions }) => sessions);
  const limited = [
    { limit, of: 'server', sessions: all },
    ...Object.entries(server?.roleLimits ?? {}).map(([role, most]) => ({
      limit: most,
      of: `role ${role}`,
      sessions: all.map((sessions) => sessions.filter(({ user }) => user === role)),
    })),
    ...Object.entries(server?.databaseLimits ?? {}).map(([name, most]) => ({
      limit: most,
      of: `database ${name}`,
      sessions: all.map((sessions) => sessions.filter(({ database }) => database === name)),
    })),
  ];
  return limited
    .filter(({ limit }) => limit > 0)
    .map(({ limit, of, sessions }) => {
      const used = sessions.map((rows) => rows.length);
      const fullAt = used.flatMap((number, index) => (number >= FULL_SHARE * limit ? [index] : []));
      const held = fullAt.map((index) => sessions[index]!.filter((session) => !isLogin(session)).length / limit);
      const length = (index: number) => (samples[index + 1]?.at ?? samples[index]!.at) - samples[index]!.at;
      return {
        limit,
        of,
        peak: Math.max(0, ...used),
        fullMs: fullAt.reduce((sum, index) => sum + length(index), 0),
        heldShare: median(held),
        fullFrom: samples[fullAt[0] ?? 0]?.at ?? 0,
        fullTo: samples[fullAt.at(-1) ?? 0]?.at ?? 0,
      };
    });
}

export const full: Rule = (facts) => {
  const { refusals, samples } = facts;
  const findings = fullnessOf(facts).flatMap((fullness) => {
    const { limit, of, peak, fullMs, heldShare } = fullness;
    const refused = of === 'server' ? refusals.length : 0;
    const share = peak / limit;
    if (share < INFO_SHARE && refused === 0) return [];
    const severity = severityOf(fullness, share, refused, samples.length);
    const where = of === 'server' ? 'The server' : `The ${of}`;
    return [
      {
        id: 'full',
        severity,
        group: null,
        evidence: {
          limit,
          limitOf: of,
          limitStated: facts.server !== null,
          peak,
          peakShare: round(share),
          fullSeconds: round(fullMs / 1_000),
          heldBySessionsShare: round(heldShare),
          ownLoginsRefused: refused,
          ...(refusals[0] && refused > 0 ? { refusal: refusals[0].message } : {}),
        },
        what: `${where} ${fullText(fullness, share, refused)}`,
        why:
          severity === 'info'
            ? 'There is room now, but a second copy of the app, as during a deployment, may find none.'
            : 'The next client is refused with 53300, “too many clients”. Users see errors and timeouts.',
        cause: causeText(facts, severity, heldShare),
        fix:
          of === 'server'
            ? 'Reduce the number of connections before you raise max_connections: each one costs the server memory, even when it is idle. With Tenure (Node.js): MAX_CONNS limits each process.'
            : `Lower the pool’s maximum, or raise the CONNECTION LIMIT of the ${of}. With Tenure (Node.js): MAX_CONNS limits each process.`,
      } as const,
    ];
  });
  return findings;
};

function severityOf({ fullMs, heldShare }: Fullness, share: number, refused: number, samples: number) {
  if (refused > 0 && (samples === 0 || heldShare >= HELD_SHARE || fullMs === 0)) return 'critical';
  if (fullMs >= FULL_FOR_MS && heldShare >= HELD_SHARE) return 'critical';
  if (share >= WARN_SHARE || refused > 0) return 'warning';
  return 'info';
}

function fullText({ limit, peak, fullMs }: Fullness, share: number, refused: number): string {
  const refusals = refused > 0 ? ` The doctor’s own login was refused ${plural(refused, 'time')}.` : '';
  if (peak === 0) return `has no slot left.${refusals}`;
  const seen = `${peak} connections at the peak, logins included, of ${limit} that it allows (${percent(share)})`;
  if (fullMs === 0) return `is near its limit: ${seen}.${refusals}`;
  return `had no slot left for ${duration(fullMs)}: ${seen}.${refusals}`;
}

function causeText({ groups }: Facts, severity: string, heldShare: number): string {
  const [largest] = groups;
  const most = largest ? ` Most sessions belong to ${largest.name}: ${largest.peak} at the peak.` : '';
  if (severity === 'info') return most.trim();
  if (heldShare > 0 && heldShare < HELD_SHARE) {
    return `Most slots are taken by logins, in progress or being refused, and not by sessions. Another finding says who opens them.${most}`;
  }
  return `Either connections are not reused, or the apps want more than the server allows. The other findings say which.${most}`;
}
