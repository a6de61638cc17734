import type { InFlight } from '../pool/connector.js';
import { connectionOf } from './connection.js';
import type { PgClient } from './pgTypes.js';
import { locationOf } from './servers.js';
import { isOpen, roundTrip } from './session.js';

/** How far the two clocks may run apart, and how long a session is set up after its backend has started. */
const TOLERANCE_MS = 2_000;

/** States of a session that works for nobody. Another, such as `disabled`, says nothing. */
const RESTING = ['idle', 'idle in transaction', 'idle in transaction (aborted)'];

/** A backend, as the server lists it. Of sessions that the role may not see, the state and the start are null. */
interface Backend {
  readonly pid: number;
  readonly state: string | null;
  readonly ageMs: number | null;
  /** How long the server has been up. */
  readonly upMs: number;
}

/** The query whose answer the server owes, if all of it has been sent, and how many bytes have gone by. */
export function queryInFlight(client: PgClient): InFlight | undefined {
  const { _activeQuery: query, readyForQuery, processID } = client;
  const stream = client.connection?.stream;
  // A cursor between two reads waits for the app, and then the server is ready; what is still being sent cannot be answered.
  if (!query || readyForQuery !== false || processID == null || !isOpen(client) || stream?.writableLength)
    return undefined;
  return { query, bytes: (stream?.bytesRead ?? 0) + (stream?.bytesWritten ?? 0) };
}

/**
 * Asks the server, over one connection, which sessions it is not working for although a query is in flight on them, and why not.
 *
 * Finds nothing where the answer would mean nothing: behind a pooler, whose process IDs are its own; for sessions that were connected to another
 * address; and where several servers share one address, so that a session which is surely alive is not on this one either.
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

/** Why a client has no backend any more; the one that has its process ID now may be another's. */
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
    // What answers and has no such view is not PostgreSQL; that the connection has ended is for the check to find.
    if (signal.aborted || !isOpen(over)) throw error;
  }
  return backends;
}

/** Ends a connection as if it had broken with this error: what is in flight on it fails with it. */
export function breakOff(client: PgClient, error: Error): void {
  client.connection?.stream.destroy(error);
}
