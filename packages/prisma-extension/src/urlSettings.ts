import type { HostSettings, PolicyKey, PolicyProblem } from '@tenure/core';

type HostSetting = NonNullable<HostSettings['maxAgeMs']>;

/** The translation of one parameter of Prisma 6's connection URL. */
interface Row {
  readonly parameter: string;
  readonly key: PolicyKey;
  readonly read: (written: number) => number;
  readonly allowed: string;
}

const count = (written: number) => written;
const seconds = (written: number) => (written === 0 ? Number.POSITIVE_INFINITY : written * 1_000);

const A_COUNT = { read: count, allowed: 'a whole number' };
const SECONDS = { read: seconds, allowed: 'seconds as a whole number; 0 = no limit' };

/** Prisma 7 leaves the pool to `pg`, which has none of these parameters. Times are in seconds; 0 is no limit. */
const ROWS: readonly Row[] = [
  { parameter: 'connection_limit', key: 'maxConnections', ...A_COUNT },
  { parameter: 'pool_timeout', key: 'acquireTimeoutMs', ...SECONDS },
  { parameter: 'connect_timeout', key: 'connectTimeoutMs', ...SECONDS },
  { parameter: 'max_connection_lifetime', key: 'maxAgeMs', ...SECONDS },
  { parameter: 'max_idle_connection_lifetime', key: 'idleTimeoutMs', ...SECONDS },
];

/** Translates the pool settings in the app's connection URL for Prisma 6. */
export function fromPrismaUrl(connectionString: string | undefined): HostSettings {
  const parameters = parametersOf(connectionString);
  const settings: { [K in PolicyKey]?: HostSetting } = {};
  const problems: PolicyProblem[] = [];
  for (const { parameter, key, read, allowed } of ROWS) {
    // The last of several counts, as it does in Prisma 6.
    const written = parameters.getAll(parameter).at(-1);
    if (written === undefined) continue;
    if (/^\d+$/.test(written)) settings[key] = { name: parameter, written, value: read(Number(written)) };
    else problems.push({ name: parameter, value: written, allowed });
  }
  // The parameter turned named statements off, for PgBouncer in transaction mode. `pgbouncer=false` changed nothing in Prisma 6.
  if (parameters.getAll('pgbouncer').at(-1) === 'true') {
    settings.statements = { name: 'pgbouncer', written: 'true', value: 0 };
    settings.pooler = { name: 'pgbouncer', written: 'true', value: 'transaction' };
  }
  return problems.length > 0 ? { ...settings, problems } : settings;
}

/** The parameters of a connection string; none if it is not a URL, since `pg` accepts other forms too. */
function parametersOf(connectionString = ''): URLSearchParams {
  try {
    return new URL(connectionString, 'postgres://base').searchParams;
  } catch {
    return new URLSearchParams();
  }
}
