import { parseArgs } from 'node:util';
import { type Advice, type AdvisedSetting, advise, type ProcessLoad, type ServerLimits } from '@tenure/core';
import wrapAnsi from 'wrap-ansi';
import type { ServerFacts } from './sample/sample.js';
import { Connector } from './server/connection.js';
import { askPassword } from './server/prompt.js';
import { targetOf, UsageError } from './server/target.js';

const CONNECT_WITHIN_MS = 5_000;
const WIDTH = 100;

export const ADVISE_USAGE = `Says what MAX_CONNS, REUSE_CONNS and CONN_BUDGET should be for an app on a PostgreSQL server, and why.

  npx @tenure/doctor advise "$DATABASE_URL" --processes N [options]

It connects as the app does, and reads the limits of the server, the database and the role.

  --processes N     processes that have a pool at one time, at most: in a rolling deployment the old and the new ones
  --per-second N    checkouts per second of one process in its busiest minute (what stats().acquired grows by)
  --use-ms N        how long a checkout holds its connection, on average
  --wait-ms N       how long callers wait for a connection now, on average
  --max-conns N     MAX_CONNS when that was measured
  --cores N         CPU cores of the server
  --others N        sessions that are not the app's, at the busiest time; by default a fifth of the slots is kept for them
  --json            print the advice as JSON
  --help            this text

The exit code is 0, or 1 if there is a warning, 2 if the server cannot be asked, 64 for wrong use.
`;

const FLAGS = {
  processes: { type: 'string' },
  'per-second': { type: 'string' },
  'use-ms': { type: 'string' },
  'wait-ms': { type: 'string' },
  'max-conns': { type: 'string' },
  cores: { type: 'string' },
  others: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

interface Around {
  readonly env: Readonly<Record<string, string | undefined>>;
  print(text: string): void;
}

/**
 * Runs `tenure-doctor advise`.
 * @returns whether there is a warning
 * @throws {UsageError}
 * @throws {ConnectionFailure} when the server does not answer
 */
export async function runAdvise(args: string[], { env, print }: Around): Promise<boolean> {
  const { values, positionals } = parse(args);
  if (values.help) {
    print(ADVISE_USAGE);
    return false;
  }
  if (positionals.length > 1) throw new UsageError('Give one URL. A URL with & or ? in it needs quotes in a shell.');
  const processes = numberOf('processes', values.processes);
  if (processes === undefined)
    throw new UsageError('--processes N is missing: how many processes have a pool? Try advise --help.');
  const load = loadOf(values);
  const target = targetOf(positionals[0], env);
  const connection = await new Connector(target, { reserved: false, askPassword }).open(CONNECT_WITHIN_MS);
  connection.close();
  const { server } = connection;
  const limits = limitsOf(server, numberOf('cores', values.cores), numberOf('others', values.others));
  const advice = asUsage(() => advise({ server: limits, processes, load }));
  print(values.json ? `${JSON.stringify(advice, null, 2)}\n` : textOf(advice, server));
  return advice.warnings.length > 0;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: FLAGS });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}. Try advise --help.`);
  }
}

type Values = ReturnType<typeof parse>['values'];

function loadOf(values: Values): ProcessLoad | undefined {
  const perSecond = numberOf('per-second', values['per-second']);
  const useMs = numberOf('use-ms', values['use-ms']);
  const waitMs = numberOf('wait-ms', values['wait-ms']);
  const maxConnections = numberOf('max-conns', values['max-conns']);
  if (perSecond !== undefined && useMs !== undefined) return { perSecond, useMs, waitMs, maxConnections };
  if ([perSecond, useMs, waitMs, maxConnections].every((value) => value === undefined)) return undefined;
  throw new UsageError('The load is --per-second and --use-ms together; --wait-ms and --max-conns go with them.');
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UsageError(`--${flag} “${text}” is not a number.`);
}

function limitsOf(
  { maxConnections, reservedConnections, roleLimits, databaseLimits, role, database }: ServerFacts,
  cores: number | undefined,
  otherSessions: number | undefined,
): ServerLimits {
  const [roleLimit, databaseLimit] = [roleLimits[role], databaseLimits[database]];
  return { maxConnections, reservedConnections, roleLimit, databaseLimit, cores, otherSessions };
}

/** Turns an error about impossible figures into a usage error, since flags gave the figures. */
function asUsage(run: () => Advice): Advice {
  try {
    return run();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function textOf(advice: Advice, { version, database, role, pooler }: ServerFacts): string {
  const { maxConnections, reuseConnections, budget, expected, warnings } = advice;
  const lines = [`PostgreSQL ${version}, database ${database}, as ${role}`, ''];
  for (const setting of [maxConnections, reuseConnections, budget]) lines.push(settingText(setting), '');
  if (expected) {
    const [share, waiting] = [expected.utilisation, expected.waitingShare].map((part) => (100 * part).toFixed(1));
    lines.push(`Expected: ${share} % of the connections in use; ${waiting} % of the callers wait.`, '');
  }
  const poolerNote =
    'A pooler is in between: these are the limits of the server behind it, and what they leave is for the pooler.';
  for (const warning of pooler ? [poolerNote, ...warnings] : warnings) lines.push(wrapAnsi(`! ${warning}`, WIDTH), '');
  return lines.join('\n');
}

function settingText({ env, value, reason }: AdvisedSetting): string {
  return `${env}=${value}\n${wrapAnsi(reason, WIDTH - 2).replaceAll(/^/gm, '  ')}`;
}
