import type { InFlight } from '../pool/connector.js';
import { connectionOf } from './connection.js';
import type { PgClient } from './pgTypes.js';
import { locationOf } from './servers.js';
import { isOpen, roundTrip } from './session.js';

/** How much the server's clock may differ from ours, plus the time between the start of a backend and the end of its session's set-up. */
const TOLERANCE_MS = 2_000;

/** States of a session without a query. Others, such as `disabled`, do not show that. */
const RESTING = ['idle', 'idle in transaction', 'idle in transaction (aborted)'];

/** A row of `pg_stat_activity`. State and start are null for a session that the role may not see. */
interface Backend {
  readonly pid: number;
  readonly state: string | null;
  readonly ageMs: number | null;
  /** How long the server has been up, in milliseconds. */
  readonly upMs: number;
}

/** The query that the server has not answered yet, if all of it has been sent, and how many bytes were sent and received. */
export function queryInFlight(client: PgClient): InFlight | undefined {
  const { _activeQuery: query, readyForQuery, processID } = client;
  const stream = client.connection?.stream;
  // The server is ready while a cursor waits for the app between two reads, and a query that is still being sent cannot be answered.
  if (!query || readyForQuery !== false || processID == null || !isOpen(client) || stream?.writableLength)
    return undefined;
  return { query, bytes: (stream?.bytesRead ?? 0) + (stream?.bytesWritten ?? 0) };
}

/**
 * Queries the server, over one connection, which sessions have no query running although the client waits for one, and why.
 *
 * Finds nothing when the answer would not be valid: behind a pooler, whose process IDs are its own; for sessions at another
 * address; and when several servers share one address, which shows when a session that is certainly alive is missing as well.
 */
export async function findLost<C extends PgClient>(
  suspects: readonly C[],
  { over, alive }: { readonly over: C; readonly alive: readonly C[] },
  signal: AbortSignal,
): Promise<ReadonlyMap<C, string>> {
  const { server } = locationOf(over);
  const isHere = (client: PgClient) => locationOf(client).server === server;
  const here = suspects.filter(isHere);
  const witnesses = [over, ...alive.filter(isHere)];
  const lost = new Map<C, string>();
  const backends = await listBackends([...here, ...witnesses], over, signal);
  if (witnesses.some((client) => missing(client, backends) !== undefined)) return lost;
  for (const client of here) {
    const backend = backends.get(client.processID!);
    const reason =
      missing(client, backends) ?? (RESTING.includes(backend?.state ?? '') ? `is ${backend!.state}` : undefined);
    if (reason) lost.set(client, reason);
  }
  return lost;
}

/** Why a client has no backend any more. A backend with the same process ID may be a later one. */
function missing(client: PgClient, backends: ReadonlyMap<number, Backend>): string | undefined {
  const backend = backends.get(client.processID!);
  const oldestMs = connectionOf(client).ageMs - TOLERANCE_MS;
  const [any] = backends.values();
  if (any === undefined || any.upMs < oldestMs) return 'is gone, since the server was restarted';
  const isOurs = backend !== undefined && (backend.ageMs === null || backend.ageMs >= oldestMs);
  return isOurs ? undefined : 'is gone';
}

async function listBackends(clients: readonly PgClient[], over: PgClient, signal: AbortSignal) {
  const pids = clients.map(({ processID }) => Number(processID)).join(',');
  const milliseconds = (moment: string) => `(extract(epoch from clock_timestamp() - ${moment}) * 1000)::float8`;
  const sql =
    `select pid, state, ${milliseconds('backend_start')} as age, ${milliseconds('pg_postmaster_start_time()')} as up ` +
    `from pg_catalog.pg_stat_activity where pid in (${pids})`;
  const backends = new Map<number, Backend>();
  try {
    const { rows } = await roundTrip(over, sql, signal);
    for (const { pid, state, age, up } of rows) {
      const ageMs = age === null ? null : Number(age);
      backends.set(Number(pid), { pid: Number(pid), state: state as string | null, ageMs, upMs: Number(up) });
    }
  } catch (error) {
    // A server that answers without such a view is not PostgreSQL. If the connection has ended, the check fails.
    if (signal.aborted || !isOpen(over)) throw error;
  }
  return backends;
}

/** Ends a connection as if it had broken with this error. All queries in flight on it then fail with the error. */
export function breakOff(client: PgClient, error: Error): void {
  client.connection?.stream.destroy(error);
}
