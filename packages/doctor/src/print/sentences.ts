import { count, duration, percent, plural } from '../judge/format.js';
import type { Judgement } from '../judge/judge.js';

/** Sentences about a judgement, for both the terminal and the page. */

const CHECKED = 'free slots, reuse, sessions opened per request or closed by errors, open transactions, and lock waits';

export function setting({ facts }: Judgement): string {
  const { server, seconds, samples, limit } = facts;
  if (samples.length === 0) return 'No connection to the server';
  const peak = Math.max(0, ...samples.map(({ sessions }) => sessions.length));
  const who = server
    ? `PostgreSQL ${server.version}${server.standby ? ' (hot standby)' : ''}, database ${server.database}, as ${server.role}`
    : 'A recording without a header: PostgreSQL’s default limits are assumed';
  return `${who} · ${count(seconds)} s, ${plural(samples.length, 'sample')} · at most ${plural(peak, 'session')}; the server allows ${limit}`;
}

export function verdictSentence({ verdict, findings }: Judgement): string {
  if (verdict === 'findings') {
    const number = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
    const parts = [
      number('critical') > 0 ? `${number('critical')} critical` : '',
      number('warning') > 0 ? plural(number('warning'), 'warning') : '',
    ];
    return `Something is wrong: ${parts.filter(Boolean).join(', ')}.`;
  }
  if (verdict === 'cannot-tell') return 'There is not enough to judge by.';
  return `Healthy, as far as this window shows. Checked: ${CHECKED}.`;
}

/** Reservations: what the doctor could not see, and what is left open. */
export function reservations({ facts, unsettled }: Judgement): string[] {
  const { hiddenShare, server, refusals, restartedAt, samples } = facts;
  const isOld = server !== null && server.versionNumber < 180_000;
  return [
    hiddenShare > 0
      ? `The state of ${percent(hiddenShare)} of the sessions is hidden from ${server?.role ?? 'this role'}: GRANT pg_monitor shows it.`
      : '',
    server && !server.readsAllStats && hiddenShare === 0
      ? `Logins in progress are hidden from ${server.role}: GRANT pg_monitor shows them.`
      : '',
    server?.readsAllStats && isOld ? `PostgreSQL ${server.version} does not show logins in progress; 18 does.` : '',
    refusals.length > 0 && samples.length > 0
      ? `The doctor itself was refused ${plural(refusals.length, 'time')} before or between its samples.`
      : '',
    restartedAt === null
      ? ''
      : `The server was restarted in the window; this report is about the ${duration(facts.to - facts.from)} without a restart.`,
    unsettled ? 'This window leaves a question open: --until-sure watches for as long again to answer it.' : '',
  ].filter(Boolean);
}
