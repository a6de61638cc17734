import type { PgClient } from './pgTypes.js';
import { roundTrip } from './roundTrip.js';
import { isBusy, isOpen, tellsStatus } from './status.js';
import { causeOfEnd } from './watch.js';

/**
 * Waits until the server has answered everything and waits for a query. What follows on the wire decides, not the SQLSTATE of an error: the
 * same code may be raised on a healthy session (57P01, 08P01) and end another.
 */
export async function settle(client: PgClient, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!isOpen(client)) throw causeOfEnd(client);
  // One that cannot tell answers in order: after its answer to a query of ours nothing is open.
  if (!tellsStatus(client)) await roundTrip(client, '', signal);
  else if (isBusy(client)) await answered(client, signal);
}

/**
 * `drain` follows ReadyForQuery when nothing more is queued. It also follows where there is no ReadyForQuery to wait for: after a query that
 * `pg` refused to send.
 */
function answered(client: PgClient, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopListening = () => {
      client.removeListener('drain', onDrain);
      client.removeListener('error', onEnd);
      client.removeListener('end', onEnd);
      signal.removeEventListener('abort', onAbort);
    };
    const onDrain = () => {
      // Another listener may have sent the next query.
      if (isBusy(client)) return;
      stopListening();
      resolve();
    };
    const onEnd = () => {
      stopListening();
      reject(causeOfEnd(client));
    };
    const onAbort = () => {
      stopListening();
      reject(signal.reason);
    };
    client.on('drain', onDrain);
    client.on('error', onEnd);
    client.on('end', onEnd);
    signal.addEventListener('abort', onAbort);
  });
}
