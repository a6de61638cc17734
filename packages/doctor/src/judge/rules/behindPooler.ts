import type { Facts } from '../facts.js';
import { plural } from '../format.js';
import type { Rule } from './rule.js';

/** A driver may name its session once, after it connects. A pooler renames a session for each client that gets it. */
const NAMES_OF_A_POOLER = 3;
const LEAST_RENAMED = 2;

/** A sentence for the findings about connections: behind a pooler they describe the pooler's. */
export function poolerNote(facts: Facts): string {
  return signOf(facts) === null
    ? ''
    : ' A pooler is in between: these are the pooler’s connections to the server, not the app’s connections to the pooler.';
}

export const behindPooler: Rule = (facts) => {
  const sign = signOf(facts);
  if (sign === null) return [];
  return [
    {
      id: 'behind-pooler',
      severity: 'info',
      group: sign.group,
      evidence: sign.evidence,
      what: `A pooler stands between the apps and the server: ${sign.text}.`,
      why: 'The server shows only the pooler’s connections. How many the apps have, and how they use them, only the pooler can say.',
      cause:
        'There is nothing wrong with a pooler. Its own figures show whether the apps wait for it (SHOW POOLS in PgBouncer: cl_waiting, maxwait).',
      fix: 'Size the pooler’s default_pool_size by the server, and the apps’ pools by its max_client_conn. With Tenure (Node.js): most poolers are detected; where one is not, set CONN_POOLER.',
    },
  ];
};

function signOf(facts: Facts) {
  const { server, groups } = facts;
  if (server?.pooler) {
    return {
      group: null,
      evidence: { sign: 'backend-pid' },
      text: 'the backend that answers the doctor is not the one that its connection was given',
    };
  }
  const named = groups.find(({ stack }) => stack === 'pooler');
  if (named) {
    return {
      group: named.name,
      evidence: { sign: 'application-name', application: named.application, sessions: named.peak },
      text: `${plural(named.peak, 'session is', 'sessions are')} of ${named.name}`,
    };
  }
  for (const { name, lives } of groups) {
    const renamed = lives.filter(({ names }) => names >= NAMES_OF_A_POOLER).length;
    if (renamed >= LEAST_RENAMED) {
      return {
        group: name,
        evidence: { sign: 'renamed', renamed },
        text: `${plural(renamed, 'backend')} of ${name} had the names of several applications in turn`,
      };
    }
  }
  return null;
}
