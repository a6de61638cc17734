import { unlessAborted } from '../roundTrip.js';
import { isOpen } from '../status.js';
import type { PreparingClient } from './pgInternals.js';

interface Answer {
  readonly rows: readonly { readonly pid: unknown }[];
}

/**
 * Asks whether something in front of the server may hand this client's transactions to different sessions. Whatever speaks for a server gives
 * a process ID of its own to the client; the server's own function tells another one.
 */
export async function isBehindPooler(client: PreparingClient, signal: AbortSignal): Promise<boolean> {
  const { processID } = client;
  try {
    const { rows } = await unlessAborted(ask(client), signal);
    return Number(rows[0]?.pid) !== processID;
  } catch (error) {
    // What answers but does not know its process is no plain server.
    if (!signal.aborted && isOpen(client)) return true;
    throw error;
  }
}

function ask(client: PreparingClient): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client.query('select pg_backend_pid() as pid', (error: unknown, result: Answer) => {
      if (error) reject(error);
      else resolve(result);
    });
  });
}
