import type { Trace } from '@tenure/doctor/page';
import pg from 'pg';
import type { Cleanup } from '../processes/cleanup.js';
import type { ServerCpu } from './cpuSource.js';
import { serverCpu } from './serverCpu.js';
import { type SeenBackend, TraceRecorder } from './trace.js';

const EVERY_MS = 100;
const GONE_WITHIN_MS = 15_000;

type Row = { now: number; backends: SeenBackend[] };

export interface Watch {
  /** Never resolves; rejects when the server can no longer be seen. */
  readonly failed: Promise<never>;
  stop(): Promise<Trace>;
}

/** Reads pg_stat_activity ten times a second, on a connection of its own. */
export class Watcher {
  readonly cpu: ServerCpu;
  readonly #client: pg.Client;
  readonly #applicationName: string;

  static async start(url: string, applicationName: string, cleanup: Cleanup): Promise<Watcher> {
    const client = new pg.Client({ connectionString: url, application_name: 'tenure_replay_watcher' });
    client.on('error', () => {}); // Its next query says the same.
    await client.connect();
    cleanup.defer(() => client.end());
    return new Watcher(client, applicationName, await serverCpu(client));
  }

  private constructor(client: pg.Client, applicationName: string, cpu: ServerCpu) {
    this.#client = client;
    this.#applicationName = applicationName;
    this.cpu = cpu;
  }

  /** Watches until told to stop. Times are since this call. */
  async watch(onSample: (connections: number) => void): Promise<Watch> {
    const recorder = new TraceRecorder();
    const { now: start } = await this.#look();
    let stopped = false;
    const loop = async () => {
      while (!stopped) {
        const next = performance.now() + EVERY_MS;
        const { now, backends } = await this.#look();
        recorder.add(now, backends);
        onSample(backends.length);
        await sleep(next - performance.now());
      }
    };
    const done = loop();
    const failed = new Promise<never>((_, reject) => done.catch(reject));
    failed.catch(() => {});
    return {
      failed,
      stop: async () => {
        stopped = true;
        await done;
        return recorder.trace(start);
      },
    };
  }

  /** Resolves when the app has no session left. */
  async untilNoneLeft(): Promise<void> {
    const giveUpAt = performance.now() + GONE_WITHIN_MS;
    for (;;) {
      const { backends } = await this.#look();
      if (backends.length === 0) return;
      if (performance.now() > giveUpAt) {
        throw new Error(`${backends.length} sessions of an app that has ended are still there.`);
      }
      await sleep(EVERY_MS);
    }
  }

  async #look(): Promise<Row> {
    const { rows } = await this.#client.query<Row>({ name: 'look', text: LOOK, values: [this.#applicationName] });
    return rows[0]!;
  }
}

// The clock of the moment, not of the transaction; one row always, so that the time is told even when no one is there.
const LOOK = `
  select extract(epoch from clock_timestamp())::float8 as now,
    coalesce(json_agg(json_build_object(
      'pid', pid,
      'bornAt', extract(epoch from backend_start),
      'queryAt', extract(epoch from query_start),
      'active', state = 'active'
    )), '[]') as backends
  from pg_stat_activity
  where application_name = $1 and pid <> pg_backend_pid()`;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
