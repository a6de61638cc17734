import { contenderOf, PROCESSES, routeOf } from '../contenders/catalogue.js';
import { count, rough } from './format.js';
import type { Summary } from './summary.js';
import { titleOf } from './titles.js';

export interface Check {
  passed: boolean;
  /** The promise and the result. */
  text: string;
}

const ENOUGH_TRANSACTIONS = 50;

/** Checks Tenure's counts. None of them depends on the speed of the machine. */
export function checkTenure(summaries: readonly Summary[]): Check[] {
  return summaries.filter(({ contender }) => contenderOf(contender).isTenure).flatMap(checksOf);
}

function checksOf(summary: Summary): Check[] {
  const { answered, failed, timedOut, fewestTransactionsPerConnection: fewest } = summary;
  const name = titleOf(summary);
  return [
    { passed: answered > 0, text: `${name}: ${count(answered)} requests answered (some expected)` },
    { passed: failed === 0, text: `${name}: ${count(failed)} requests failed (0 expected)` },
    { passed: timedOut === 0, text: `${name}: ${count(timedOut)} requests timed out (0 expected)` },
    ...limitChecks(summary),
    {
      passed: fewest >= ENOUGH_TRANSACTIONS,
      text: `${name}: ${rough(fewest)} transactions per connection (≥ ${ENOUGH_TRANSACTIONS} expected)`,
    },
    ...(routeOf(summary.contender) === 'sign-ups' ? errorChecks(summary) : []),
  ];
}

/** A new process may have one connection above the budget, until there is a slot for it. */
function limitChecks(summary: Summary): Check[] {
  const { peak, peakAtEnd, limit, budget } = summary;
  const name = titleOf(summary);
  const most = budget === null ? limit : Math.min(limit ?? 0, budget + PROCESSES);
  const check = {
    passed: most !== null && peak <= most,
    text: `${name}: ${peak} connections at most (≤ ${most} expected)`,
  };
  if (budget === null) return [check];
  const text = `${name}: ${peakAtEnd} connections at the end (≤ ${budget} expected, the budget)`;
  return [check, { passed: peakAtEnd <= budget, text }];
}

/** An SQL error closes no connection: none is opened after the first ones, whatever the violation. */
function errorChecks(summary: Summary): Check[] {
  const { conflicts, limit, mostOpened } = summary;
  const name = titleOf(summary);
  return [
    { passed: conflicts > 0, text: `${name}: ${count(conflicts)} unique keys violated (some expected)` },
    {
      passed: limit !== null && mostOpened <= limit,
      text: `${name}: ${count(mostOpened)} connections opened in all, in a pass (≤ ${limit} expected)`,
    },
  ];
}
