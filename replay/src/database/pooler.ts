import { readFile } from 'node:fs/promises';
import type { Cleanup } from '../processes/cleanup.js';
import { MS_PER_TICK, parseStat } from '../watch/procCpu.js';

/** A PgBouncer before the server, for one pass. */
export interface Pooler {
  /** The app's way in. */
  readonly url: string;
  /** CPU time it has used; null where that cannot be had. */
  readMs(): Promise<number | null>;
  stop(): Promise<void>;
}

/**
 * Starts a PgBouncer in transaction mode that opens `connections` to the server at most. One for each pass: it would keep its connections
 * to the server when the app has gone.
 */
export async function startPooler(serverUrl: string, connections: number, cleanup: Cleanup): Promise<Pooler> {
  // Loaded only here: on the user's own server, none is started.
  const { startPgBouncer } = await import('@tenure/test/support/pgbouncer.js');
  const { hostname: host, port, username: user, password, pathname, search } = new URL(serverUrl);
  const pooler = await startPgBouncer({
    upstream: { host, port: Number(port), user, password, database: pathname.slice(1) },
    poolMode: 'transaction',
    settings: { default_pool_size: connections, max_client_conn: MOST_CLIENTS },
  });
  cleanup.defer(() => pooler.stop());
  return {
    url: pooler.url + search,
    readMs: async () => {
      const stat = await readFile(`/proc/${pooler.pid}/stat`, 'utf8').catch(() => undefined);
      return stat === undefined ? null : parseStat(stat).own * MS_PER_TICK;
    },
    stop: () => pooler.stop(),
  };
}

const MOST_CLIENTS = 1_000;
