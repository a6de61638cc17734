import type { Recording } from '../sample/sample.js';
import { type Facts, factsOf } from './facts.js';
import { FINDING_IDS, type Finding, SEVERITIES } from './finding.js';
import { behindPooler } from './rules/behindPooler.js';
import { cannotTell } from './rules/cannotTell.js';
import { churn } from './rules/churn.js';
import { clientsVanish } from './rules/clientsVanish.js';
import { fleetTooLarge } from './rules/fleetTooLarge.js';
import { full } from './rules/full.js';
import { halfOpen } from './rules/halfOpen.js';
import { lockWaits } from './rules/lockWaits.js';
import { loginStorm } from './rules/loginStorm.js';
import { notPrepared } from './rules/notPrepared.js';
import { isUnsettled, notReused } from './rules/notReused.js';
import { openTransaction } from './rules/openTransaction.js';
import { oversized } from './rules/oversized.js';
import type { Rule } from './rules/rule.js';
import { sameAge } from './rules/sameAge.js';

export type Verdict = 'healthy' | 'findings' | 'cannot-tell';

export interface Judgement {
  readonly verdict: Verdict;
  /** Most severe first. */
  readonly findings: readonly Finding[];
  /** The input of the rules. */
  readonly facts: Facts;
  /** Whether a second window could answer what this one leaves open. */
  readonly unsettled: boolean;
}

/** In this order, because some rules stay silent when an earlier one has explained the same signs. */
const RULES: readonly Rule[] = [
  full,
  notReused,
  churn,
  fleetTooLarge,
  openTransaction,
  lockWaits,
  oversized,
  sameAge,
  clientsVanish,
  halfOpen,
  loginStorm,
  notPrepared,
  behindPooler,
  cannotTell,
];

/** A pure function: the same recording always has the same judgement. */
export function judge(recording: Recording): Judgement {
  const facts = factsOf(recording);
  const findings: Finding[] = [];
  for (const rule of RULES) findings.push(...rule(facts, findings));
  findings.sort((a, b) => rankOf(a) - rankOf(b));
  return { verdict: verdictOf(findings), findings, facts, unsettled: isUnsettled(facts) };
}

function rankOf({ severity, id }: Finding): number {
  return SEVERITIES.indexOf(severity) * FINDING_IDS.length + FINDING_IDS.indexOf(id);
}

function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some(({ severity }) => severity !== 'info')) return 'findings';
  return findings.some(({ id }) => id === 'cannot-tell') ? 'cannot-tell' : 'healthy';
}
