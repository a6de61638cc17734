import { count, percent, round } from '../format.js';
import type { Rule } from './rule.js';

const LEAST_CALLS = 100;
const SHARE = 0.5;

/** Statements that are planned at each call, by the plan counts of pg_stat_statements. */
export const notPrepared: Rule = ({ plans }) => {
  if (!plans || plans.calls < LEAST_CALLS) return [];
  const share = plans.callsPlannedEachTime / plans.calls;
  if (share < SHARE) return [];
  return [
    {
      id: 'not-prepared',
      severity: 'info',
      group: null,
      evidence: { calls: plans.calls, callsPlannedEachTime: plans.callsPlannedEachTime, share: round(share) },
      what: `${percent(share)} of ${count(plans.calls)} statements were planned each time they ran.`,
      why: 'Planning a short query often costs the server more than running it.',
      cause:
        'Likeliest: the driver sends statements without a name, so that each call is planned anew. Second: the app writes values into the text of its statements. Then pg_stat_activity shows literals where $1 would be, and parameters come first.',
      fix: 'Use named statements (prepareThreshold in JDBC, prepare_threshold in psycopg 3, name in pg). With Tenure (Node.js): CONN_STATEMENTS=100, its default, prepares statements that run again and again.',
    },
  ];
};
