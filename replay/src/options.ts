import { parseArgs } from 'node:util';
import { CONTENDERS, type ContenderKey } from './contenders/catalogue.js';
import { UsageError } from './output/usageError.js';

export interface Options {
  help: boolean;
  quick: boolean;
  only: ContenderKey[];
  /** Whether to run one app with Tenure under load, with the live page, instead of the replay. */
  serve: boolean;
  allowRemote: boolean;
  /** The path of the report; undefined for a new temporary file. */
  report: string | undefined;
}

const DIRECT = CONTENDERS.filter(({ benchOnly }) => !benchOnly);
const KEYS = DIRECT.map(({ key }) => key);
/** The contenders of `--quick`, unless it names others. Doubling is left out, because it takes too long. */
const QUICK_KEYS = DIRECT.filter(({ doubles }) => !doubles).map(({ key }) => key);

export const USAGE = `Replays the incident on a real PostgreSQL, with and without Tenure.

  npx -y pnpm@12 start [options]

  --quick          a few seconds per contender and 100 clients, instead of 400, without the deployment; what CI runs
  --only a,b       only these contenders: ${KEYS.join(', ')}
  --report FILE    where to write the HTML report (default: a new file in replay/results)
  --serve          no replay: one process with Tenure under load, and the live page of its pool, until Ctrl-C
  --allow-remote   lets DATABASE_URL name a host that is not this machine
  --help           this text

Environment:
  DATABASE_URL     run on this server instead of a fresh one; works in a schema of its own and drops it at the end
  MAX_CONNS, CONN_MAX_AGE, CONN_HEALTH_CHECKS, …   the policy of the contenders with Tenure
  CONN_BUDGET      40 by default: what their processes may open together; none turns it off

The exit code is 0 when Tenure kept its promises, 1 when it did not or the replay failed, 2 when it was called wrongly.
`;

export function parseOptions(args: string[]): Options {
  const { values } = parse(args);
  return {
    help: values.help ?? false,
    quick: values.quick ?? false,
    only: values.only === undefined ? (values.quick ? QUICK_KEYS : KEYS) : contenders(values.only),
    serve: values.serve ?? false,
    allowRemote: values['allow-remote'] ?? false,
    report: values.report,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      // `pnpm start -- --quick` passes the two dashes on.
      args: args[0] === '--' ? args.slice(1) : args,
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string' },
        serve: { type: 'boolean' },
        report: { type: 'string' },
        'allow-remote': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nTry --help.`);
  }
}

/** The contenders in the catalogue's order, whatever the order of their names. */
function contenders(list: string): ContenderKey[] {
  const named = list.split(',').map((name) => name.trim());
  const unknown = named.filter((name) => !KEYS.includes(name as ContenderKey));
  if (unknown.length > 0) {
    throw new UsageError(`--only knows no “${unknown.join('”, “')}”; it knows ${KEYS.join(', ')}.`);
  }
  return KEYS.filter((key) => named.includes(key));
}
