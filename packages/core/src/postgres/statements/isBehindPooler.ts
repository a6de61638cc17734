import type { PgClient } from '../pgTypes.js';
import { roundTrip } from '../roundTrip.js';
import { isOpen } from '../status.js';
import type { PreparingClient } from './pgInternals.js';

/**
 * Asks whether something in front of the server may hand this client's transactions to different sessions. Whatever speaks for a server gives
 * a process ID of its own to the client; the server's own function tells another one.
 */
export async function isBehindPooler(client: PreparingClient, signal: AbortSignal): Promise<boolean> {
  try {
    const { rows } = await roundTrip(client as unknown as PgClient, 'select pg_backend_pid() as pid', signal);
    return Number(rows[0]?.pid) !== client.processID;
  } catch (error) {
    // What answers but does not know its process is no plain server.
    if (!signal.aborted && isOpen(client as unknown as PgClient)) return true;
    throw error;
  }
}
