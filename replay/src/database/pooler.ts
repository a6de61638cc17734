import { readFile } from 'node:fs/promises';
import type { Cleanup } from '../processes/cleanup.js';
import { MS_PER_TICK, parseStat } from '../watch/procCpu.js';

/** A PgBouncer before the server, for one pass. */
export interface Pooler {
  /** The URL for the app. */
  readonly url: string;
  /** The CPU time that it has used; null if that is unknown. */
  readMs(): Promise<number | null>;
  stop(): Promise<void>;
}

/**
 * Starts a PgBouncer in transaction mode that opens at most `connections` to the server. Each pass has its own, because one keeps
 * its connections to the server after the app has ended.
 */
export async function startPooler(serverUrl: string, connections: number, cleanup: Cleanup): Promise<Pooler> {
  // Loaded here, not at the top: with the user's own server, none is started.
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
