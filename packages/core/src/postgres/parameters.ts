import type { PgClient } from './pgTypes.js';

const reported = new WeakMap<PgClient, Map<string, string>>();

/** Notes what settings the server reports. To be called before the client connects: what has been reported is not reported again. */
export function noteParameters(client: PgClient): void {
  const values = new Map<string, string>();
  reported.set(client, values);
  client.connection?.on('parameterStatus', ({ parameterName, parameterValue }) => {
    values.set(parameterName, parameterValue);
  });
}

/** The settings that the server has reported, and reports again when they change; none where that cannot be told. */
export function parametersOf(client: PgClient): ReadonlyMap<string, string> {
  return reported.get(client) ?? new Map();
}
