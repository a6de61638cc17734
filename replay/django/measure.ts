import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '@tenure/test/support/postgres.js';
import autocannon from 'autocannon';
import pg from 'pg';
import { serverCpu } from '../src/watch/serverCpu.js';

const CLIENTS = 400;
/**
 * Requests of a client before it leaves, since browsers come and go. A client that stayed would have a green thread of its own,
 * whose connection would be reused.
 */
const REQUESTS_PER_CLIENT = 10;
const CLIENT_TIMEOUT_S = 10;
const LOAD_S = 30;
const LOOK_EVERY_MS = 250;

export interface Sessions {
  readonly at: number;
  readonly count: number;
}

/** The figures of the clients and of the server. */
export interface Figures {
  served: number;
  /** Answers with a status of 500 and above. */
  failed: number;
  /** Requests without an answer within the client's ten seconds. */
  timedOut: number;
  /** The app's sessions over time, in seconds since the load began. */
  sessions: Sessions[];
  /** Sessions opened, by the server's own count. */
  opened: number;
  /** CPU time of the server for each served request; null if it is unknown. */
  cpuPerRequestMs: number | null;
}

/** Puts the app under load, and takes samples of its server meanwhile. */
export async function measure(url: string, postgres: PostgresServer, meanwhile: () => Promise<void>): Promise<Figures> {
  // Opened before the load, because a full server would refuse it.
  const watcher = new pg.Client({ connectionString: postgres.superuserUrl, application_name: 'watcher' });
  await watcher.connect();
  try {
    const cpu = await serverCpu(watcher);
    const [cpuBefore, openedBefore] = [await cpu.readMs(), await openedOn(watcher)];
    const load = autocannon({
      url,
      connections: CLIENTS,
      reconnectRate: REQUESTS_PER_CLIENT,
      duration: LOAD_S,
      timeout: CLIENT_TIMEOUT_S,
    });
    const done = { yet: false };
    const watched = watchSessions(watcher, done);
    const other = meanwhile();
    const { '2xx': served, non2xx: failed, timeouts: timedOut } = await load;
    done.yet = true;
    const sessions = await watched;
    const cpuAfter = await cpu.readMs();
    await other;
    return {
      served,
      failed,
      timedOut,
      sessions,
      opened: (await openedOn(watcher)) - openedBefore,
      cpuPerRequestMs: cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / served,
    };
  } finally {
    await watcher.end();
  }
}

async function watchSessions(watcher: pg.Client, done: { yet: boolean }): Promise<Sessions[]> {
  const begun = performance.now();
  const seen: Sessions[] = [];
  while (!done.yet) {
    const { rows } = await watcher.query<{ sessions: number }>(
      `select count(*)::int as sessions from pg_stat_activity where usename = 'app'`,
    );
    seen.push({ at: (performance.now() - begun) / 1_000, count: rows[0]!.sessions });
    await sleep(LOOK_EVERY_MS);
  }
  return seen;
}

async function openedOn(watcher: pg.Client): Promise<number> {
  const { rows } = await watcher.query<{ opened: number }>(
    'select sessions::int as opened from pg_stat_database where datname = current_database()',
  );
  return rows[0]!.opened;
}
