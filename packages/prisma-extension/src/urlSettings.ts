import type { HostSettings, PolicyKey } from '@tenure/core';

type HostSetting = NonNullable<HostSettings['maxAgeMs']>;

/** How a parameter of Prisma 6's connection URL reads as policy. */
interface Row {
  readonly parameter: string;
  readonly key: PolicyKey;
  readonly read: (written: number) => number;
}

const count = (written: number) => written;
const seconds = (written: number) => (written === 0 ? Number.POSITIVE_INFINITY : written * 1_000);

/** Prisma 7 leaves the pool to `pg`, which knows none of these. Times are in seconds, and 0 is no limit. */
const ROWS: readonly Row[] = [
  { parameter: 'connection_limit', key: 'maxConnections', read: count },
  { parameter: 'pool_timeout', key: 'acquireTimeoutMs', read: seconds },
  { parameter: 'connect_timeout', key: 'connectTimeoutMs', read: seconds },
  { parameter: 'max_connection_lifetime', key: 'maxAgeMs', read: seconds },
  { parameter: 'max_idle_connection_lifetime', key: 'idleTimeoutMs', read: seconds },
];

/** Translates what the app wrote in its connection URL for Prisma 6. */
export function fromPrismaUrl(connectionString: string | undefined): HostSettings {
  const parameters = parametersOf(connectionString);
  const settings: { [K in PolicyKey]?: HostSetting } = {};
  for (const { parameter, key, read } of ROWS) {
    // Of several the last one counts, as with Prisma 6.
    const written = parameters.getAll(parameter).at(-1);
    if (written !== undefined) settings[key] = { name: parameter, written, value: translate(written, read) };
  }
  // It meant: no named statements. With `pgbouncer=false` Prisma 6 did as without it.
  if (parameters.getAll('pgbouncer').at(-1) === 'true') {
    settings.statements = { name: 'pgbouncer', written: 'true', value: 0 };
  }
  return settings;
}

/** What is no whole number is handed on as it is: the parser refuses it by its name. */
function translate(written: string, read: Row['read']): HostSetting['value'] {
  return /^\d+$/.test(written) ? read(Number(written)) : (written as unknown as number);
}

/** Of what `pg` takes as a connection string; not all of it is a URL. */
function parametersOf(connectionString = ''): URLSearchParams {
  try {
    return new URL(connectionString, 'postgres://base').searchParams;
  } catch {
    return new URLSearchParams();
  }
}
