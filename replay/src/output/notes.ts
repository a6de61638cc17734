import { contenderOf, PROCESSES, routeOf } from '../contenders/catalogue.js';
import { ACQUIRE_TIMEOUT_MS } from '../contenders/contender.js';
import { count, percent } from '../figures/format.js';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';
import type { Plan } from '../plan.js';

/** Facts that a reader needs for the figures. */
export function notes(summaries: readonly Summary[], plan: Plan, serverCpuComplete: boolean): string[] {
  return [
    `${plan.clients} clients, ${PROCESSES} processes. Failed: answered with an error${conflictsToo(summaries)}. Timed out: the app found no connection within ` +
      `${ACQUIRE_TIMEOUT_MS / 1_000} s, or the client had no answer within ${plan.clientTimeoutMs / 1_000} s.`,
    'Each pass starts the app anew, so that its first, slow moments are in the figures. Peak: the highest of all passes. Failed and timed out: of all passes together. The rest: a pass’s figure; of several, the median.',
    ...passByPass(summaries),
    ...(serverCpuComplete
      ? []
      : ['CPU of the server: at least; processes that ended between two looks are not in it.']),
    ...summaries.map((summary) => `${titleOf(summary)}: ${contenderOf(summary.contender).story}.${failures(summary)}`),
  ];
}

function conflictsToo(summaries: readonly Summary[]): string {
  const violates = summaries.some(({ contender }) => routeOf(contender) === 'sign-ups');
  return violates ? ' other than the 409 that a taken key deserves, which counts as an answer' : '';
}

function passByPass(summaries: readonly Summary[]): string[] {
  const repeated = summaries.filter(({ passes }) => passes > 1);
  const parts = repeated.map((summary) => `${titleOf(summary)}: ${summary.perSecondByPass.map(count).join(' ')}`);
  return parts.length === 0 ? [] : [`Requests/s, pass by pass: ${parts.join('; ')}.`];
}

function failures({ failures }: Summary): string {
  const all = Object.values(failures).reduce((sum, times) => sum + times, 0);
  if (all === 0) return '';
  const parts = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return ` Its errors: ${parts.map(([code, times]) => `${named(code)} ${percent(times, all)}`).join(', ')}.`;
}

const NAMES: Record<string, string> = { '53300': '53300 (too many connections)' };

function named(code: string): string {
  return NAMES[code] ?? code;
}
