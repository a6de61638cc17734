import { LOGIN_SHARE, loginShare } from '../facts.js';
import { duration, percent, plural, round } from '../format.js';
import { foundAny, type Rule } from './rule.js';

const LEAST_SAMPLES = 10;

/** Crowds of logins all the time, and no finding that explains them. */
export const loginStorm: Rule = (facts, before) => {
  if (foundAny(before, ['not-reused', 'per-request', 'closed-by-errors', 'fleet-too-large'])) return [];
  const share = loginShare(facts, facts.from, facts.to);
  if (share < LOGIN_SHARE || facts.samples.length < LEAST_SAMPLES) return [];
  const { lives } = facts;
  const failedLogins = facts.failedLogins.length;
  const births = lives.filter(({ born }) => born).length;
  return [
    {
      id: 'login-storm',
      severity: 'warning',
      group: null,
      evidence: { share: round(share), peak: Math.max(...facts.logins), failedLogins, births },
      what: `In ${percent(share)} of the samples three or more logins were in progress; in ${duration(facts.to - facts.from)} ${plural(failedLogins, 'login')} never became a session, and ${births} did.`,
      why: 'Each login costs the server a process and a password check, and takes a slot while it lasts.',
      cause:
        failedLogins > births
          ? 'Likeliest: they are refused (wrong password, no such database, pg_hba.conf): the server’s log says why. Second: they are slow. Then most become sessions in the end.'
          : 'Likeliest: logins are slow (TLS, SCRAM with many iterations, LDAP, a busy machine). Second: they are refused. Then most never become sessions.',
      fix: 'Look at the server’s log (log_connections = on), and let clients wait between attempts. With Tenure (Node.js): after a refusal there is one attempt at a time. No setting is needed.',
    },
  ];
};
