import type { PgClient } from './pgTypes.js';

/** When the first probe is sent on a silent connection. The default of most systems, two hours, outlives every NAT entry. */
const FIRST_PROBE_MS = 60_000;

/** Turns TCP keepalive on, which `pg` leaves off, so that the system notices a peer that is gone. What the app chose itself stays. */
export function keepAlive({ connection, connectionParameters }: PgClient): void {
  if (connectionParameters?.keepalives !== undefined) return;
  const chosenSeconds = connectionParameters?.keepalives_idle;
  connection?.stream.setKeepAlive?.(true, chosenSeconds ? chosenSeconds * 1000 : FIRST_PROBE_MS);
}
