import { isIPv4 } from 'node:net';
import pg from 'pg';
import { UsageError } from '../output/usageError.js';
import type { Findings } from './findings.js';

/** The replay's own connections beside the app's: the watcher's and the keeper's. */
const OWN_CONNECTIONS = 2;

export interface Needs {
  /** The most connections of any contender that stays within a limit. */
  connections: number;
  /** Whether some contender takes all connections of the server. */
  exhausts: boolean;
}

/** Refuses to put another machine under load without a flag. Runs before anything is sent. */
export function refuseRemote(url: string, allowRemote: boolean): void {
  const host = hostOf(url);
  if (!allowRemote && !isLoopback(host)) {
    throw new UsageError(`DATABASE_URL names the host ${host}, which is not this machine. --allow-remote allows it.`);
  }
}

function hostOf(url: string): string {
  try {
    // The URL must be one that can get an application_name.
    if (!/^postgres(ql)?:$/.test(new URL(url).protocol)) throw new Error('Another protocol.');
    return new pg.Client({ connectionString: url }).host;
  } catch {
    // The cause is left out: it may quote the URL, and so the password.
    throw new UsageError('DATABASE_URL is not a URL of the form postgres://user:password@host:port/database.');
  }
}

export function isLoopback(host: string): boolean {
  const unixSocket = host.startsWith('/');
  return (
    unixSocket ||
    host === 'localhost' ||
    host === '::1' ||
    host === '[::1]' ||
    (isIPv4(host) && host.startsWith('127.'))
  );
}

/** Reasons against running the replay on this server; empty if there are none. */
export function refusals(found: Findings, needs: Needs): string[] {
  const needed = needs.connections + OWN_CONNECTIONS;
  const reasons: [boolean, string][] = [
    [
      found.pooler,
      'A connection pooler stands before the server: its sessions are not the app’s. Name the server itself.',
    ],
    [!found.mayCreateSchema, `The role ${found.role} may not create a schema in the database ${found.database}.`],
    [
      !found.seesItself,
      `The role ${found.role} is not shown its own sessions in pg_stat_activity (is track_activities off?).`,
    ],
    [
      found.free < needed,
      `Server, database and role together leave room for ${found.free} more connections; ${needed} are needed.`,
    ],
    [
      needs.exhausts && found.sessions > 0,
      `The server has ${count(found.sessions, 'other session')}, and contenders that take every free connection would shut their ` +
        'users out. Pick others with --only stock,tenure, or close these sessions.',
    ],
  ];
  return reasons.filter(([applies]) => applies).map(([, reason]) => reason);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
