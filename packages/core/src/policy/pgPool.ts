import type { PolicyProblem } from '../errors.js';
import type { PolicyKey } from './policy.js';
import { type HostSetting, type HostSettings, printable } from './written.js';

/** How an option of pg-pool reads as policy. */
interface Row {
  readonly option: string;
  readonly keys: readonly PolicyKey[];
  readonly type?: 'boolean';
  /** What pg-pool makes of 0; without this it is the number 0. */
  readonly zero?: 'not written' | 'no limit';
  /** How many of Tenure's units are one of the option's. */
  readonly factor?: number;
}

/**
 * From the source of pg-pool 3.14.0, `index.js`. A later row overrules an earlier one. Where 0 means no limit, so does `Infinity` here;
 * pg-pool hands that to `setTimeout`, which makes 1 ms of it.
 */
const ROWS: readonly Row[] = [
  // `max = max || poolSize || 10`
  { option: 'poolSize', keys: ['maxConnections'], zero: 'not written' },
  { option: 'max', keys: ['maxConnections'], zero: 'not written' },
  // `min = min || 0`: idle connections are not closed below it; unlike here, nothing is opened for it.
  { option: 'min', keys: ['minConnections'] },
  // `if (idleTimeoutMillis && aboveMin) setTimeout(…)`; only `undefined` becomes 10 s.
  { option: 'idleTimeoutMillis', keys: ['idleTimeoutMs'], zero: 'no limit' },
  // `if (!connectionTimeoutMillis)` the wait has no limit; `if (connectionTimeoutMillis)` a connect has one.
  { option: 'connectionTimeoutMillis', keys: ['acquireTimeoutMs', 'connectTimeoutMs'], zero: 'no limit' },
  // `maxUses = maxUses || Infinity`
  { option: 'maxUses', keys: ['maxUses'], zero: 'no limit' },
  // `if (maxLifetimeSeconds !== 0) setTimeout(…, maxLifetimeSeconds * 1000)`
  { option: 'maxLifetimeSeconds', keys: ['maxAgeMs'], zero: 'no limit', factor: 1_000 },
  // `allowExitOnIdle = allowExitOnIdle || false`
  { option: 'allowExitOnIdle', keys: ['exitOnIdle'], type: 'boolean' },
];

/** Translates what the app wrote in its `pg.Pool` options; what it did not write is left to Tenure. */
export function fromPgPool(options: object = {}): HostSettings {
  const settings: { [K in PolicyKey]?: HostSetting } = {};
  const problems: PolicyProblem[] = [];
  for (const row of ROWS) {
    const written: unknown = options[row.option as keyof typeof options];
    const name = `pool.${row.option}`;
    const value = written === undefined ? undefined : translate(row, written);
    if (value === 'wrong type') problems.push({ name, value: printable(written), allowed: allowed(row) });
    else if (value !== undefined) for (const key of row.keys) settings[key] = { value, name, written };
  }
  return problems.length > 0 ? { ...settings, problems } : settings;
}

function translate(row: Row, written: unknown): number | boolean | 'wrong type' | undefined {
  const { type, zero, factor = 1 } = row;
  // `@types/pg` allows `null`, which pg-pool treats as 0 or false.
  if (written === null) return translate(row, type === 'boolean' ? false : 0);
  if (type === 'boolean') return typeof written === 'boolean' ? written : 'wrong type';
  // pg-pool compares and computes, which reads text as a number: `max: process.env.DB_POOL_MAX` works there.
  if (typeof written === 'string' && written.trim() !== '') return translate(row, Number(written));
  if (typeof written !== 'number' || Number.isNaN(written)) return 'wrong type';
  if (written === 0 && zero === 'not written') return undefined;
  if (written === 0 && zero === 'no limit') return Number.POSITIVE_INFINITY;
  // The option may hold a fraction of a second (0.3 * 1000 may not be whole); a timer ignores what is below 1 ms.
  return factor === 1 ? written : Math.round(written * factor);
}

function allowed({ type, zero }: Row): string {
  if (type === 'boolean') return 'true or false';
  return zero === 'no limit' ? 'a number; 0 = no limit' : 'a number';
}
