import type { Evidence, Finding, FindingId, Severity } from '../judge/finding.js';
import { round } from '../judge/format.js';
import type { Group } from '../judge/groups.js';
import type { Judgement, Verdict } from '../judge/judge.js';
import { stackName } from '../judge/stacks.js';

/** The output of `--json`, described by report.schema.json. */
export interface Report {
  readonly verdict: Verdict;
  readonly server: ServerReport;
  readonly groups: readonly GroupReport[];
  readonly findings: readonly FindingReport[];
}

export interface ServerReport {
  /** Null in a recording without a header. */
  readonly version: string | null;
  readonly database: string | null;
  readonly role: string | null;
  readonly standby: boolean | null;
  readonly pooler: boolean | null;
  /** Connections that ordinary roles can have; PostgreSQL’s default of 97 if the recording has no limit. */
  readonly limit: number;
  readonly limitStated: boolean;
  /** Most client sessions at once, logins included, the doctor’s own left out. */
  readonly peak: number;
  readonly seconds: number;
  readonly samples: number;
  /** Logins of the doctor that the server refused because no slot was free. */
  readonly refusals: number;
  /** Share of the sessions whose state the role may not see. */
  readonly hiddenShare: number;
  /** Whether a second window (`--until-sure`) could answer what this one leaves open. */
  readonly unsettled: boolean;
}

export interface GroupReport {
  readonly name: string;
  readonly database: string | null;
  readonly role: string;
  readonly application: string;
  readonly addresses: readonly (string | null)[];
  /** The library or program of the app, if its sessions show it. */
  readonly stack: string | null;
  readonly sessions: { readonly mean: number; readonly peak: number };
  /** Mean sessions by state. */
  readonly states: Readonly<Record<string, number>>;
  readonly births: number;
  readonly deaths: number;
  /** Sessions that were idle from the first sample to the last, without one statement. */
  readonly unused: number;
  readonly medianLifeMs: number | null;
}

export interface FindingReport {
  readonly id: FindingId;
  readonly severity: Severity;
  readonly group: string | null;
  readonly evidence: Evidence;
  readonly text: string;
  readonly fix: string;
}

export function reportOf({ verdict, findings, facts, unsettled }: Judgement): Report {
  const { server, limit, samples, seconds, refusals, hiddenShare, groups } = facts;
  return {
    verdict,
    server: {
      version: server?.version ?? null,
      database: server?.database ?? null,
      role: server?.role ?? null,
      standby: server?.standby ?? null,
      pooler: server?.pooler ?? null,
      limit,
      limitStated: server !== null,
      peak: Math.max(0, ...samples.map(({ sessions }) => sessions.length)),
      seconds: round(seconds, 1),
      samples: samples.length,
      refusals: refusals.length,
      hiddenShare: round(hiddenShare),
      unsettled,
    },
    groups: groups.map(groupReport),
    findings: findings.map(findingReport),
  };
}

function groupReport(group: Group): GroupReport {
  const { name, database, user, application, addresses, stack, mean, peak, states, births, deaths, unused } = group;
  return {
    name,
    database,
    role: user,
    application,
    addresses,
    stack: stackName(stack),
    sessions: { mean: round(mean, 1), peak },
    states: Object.fromEntries(Object.entries(states).map(([state, number]) => [state, round(number, 1)])),
    births: births.length,
    deaths: deaths.length,
    unused,
    medianLifeMs: group.medianLifeMs === null ? null : Math.round(group.medianLifeMs),
  };
}

function findingReport({ id, severity, group, evidence, what, why, cause, fix }: Finding): FindingReport {
  return { id, severity, group, evidence, text: [what, why, cause].filter(Boolean).join(' '), fix };
}
