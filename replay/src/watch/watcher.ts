import { judge, type Recording, type Sample, type ServerFacts } from '@tenure/doctor';
import { type Ask, askOver, SampleReader, SERVER, type Trace, traceOf } from '@tenure/doctor/internal';
import pg from 'pg';
import type { Cleanup } from '../processes/cleanup.js';
import type { ServerCpu } from './cpuSource.js';
import { serverCpu } from './serverCpu.js';

const EVERY_MS = 100;
const GONE_WITHIN_MS = 15_000;
/** A shorter pass shows no reuse. */
const SHORTEST_JUDGED_S = 5;

/** The samples of a pass, and what follows from them. */
export interface Seen {
  trace: Trace;
  /** The doctor's diagnosis: the findings that are critical or a warning; else its verdict. */
  diagnosis: string[];
}

export interface Watch {
  /** Never resolves; rejects when the samples fail. */
  readonly failed: Promise<never>;
  stop(): Promise<Seen>;
}

/** Takes the doctor's samples of the app's sessions, ten times a second, on a connection of its own. */
export class Watcher {
  readonly cpu: ServerCpu;
  readonly #ask: Ask;
  readonly #server: ServerFacts;
  readonly #reader = new SampleReader();
  #looks = 0;
  readonly #applicationName: string;

  static async start(url: string, applicationName: string, cleanup: Cleanup): Promise<Watcher> {
    const client = new pg.Client({ connectionString: url, application_name: 'tenure_replay_watcher' });
    client.on('error', () => {}); // The next query fails with the same error.
    await client.connect();
    cleanup.defer(() => client.end());
    const { rows } = await client.query<{ number: number }>(
      `select current_setting('server_version_num')::int as number`,
    );
    const ask = askOver(client, rows[0]!.number);
    const [server] = await ask(SERVER);
    const facts = { ...(server![0]![0] as ServerFacts), pooler: false };
    return new Watcher(ask, facts, applicationName, await serverCpu(client));
  }

  private constructor(ask: Ask, server: ServerFacts, applicationName: string, cpu: ServerCpu) {
    this.#ask = ask;
    this.#server = server;
    this.#applicationName = applicationName;
    this.cpu = cpu;
  }

  /** Watches until it is stopped. Times are relative to this call. */
  async watch(onSample: (connections: number) => void): Promise<Watch> {
    const samples = [await this.#look()];
    let stopped = false;
    const loop = async () => {
      while (!stopped) {
        const next = performance.now() + EVERY_MS;
        const sample = await this.#look();
        samples.push(sample);
        onSample(sessionsIn(sample));
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
        return seen({ server: this.#server, samples, refusals: [], plans: null });
      },
    };
  }

  /** Resolves when the app has no session left. */
  async untilNoneLeft(): Promise<void> {
    const giveUpAt = performance.now() + GONE_WITHIN_MS;
    for (;;) {
      const left = sessionsIn(await this.#look());
      if (left === 0) return;
      if (performance.now() > giveUpAt) {
        throw new Error(`${left} sessions of an app that has ended are still there.`);
      }
      await sleep(EVERY_MS);
    }
  }

  /** The app's sessions, and logins, which have no name yet. */
  async #look(): Promise<Sample> {
    const sample = await this.#reader.read(this.#ask, this.#looks++, false);
    const ofApp = sample.sessions.filter(
      ({ user, application }) => user === null || application === this.#applicationName,
    );
    return { ...sample, sessions: ofApp };
  }
}

function sessionsIn({ sessions }: Sample): number {
  return sessions.filter(({ user }) => user !== null).length;
}

function seen(recording: Recording): Seen {
  const { facts, findings, verdict } = judge(recording);
  const alarms = findings.filter(({ severity }) => severity !== 'info').map(({ id }) => id);
  const connections = recording.samples.map(sessionsIn);
  const { samples, lifelines } = traceOf(facts);
  return {
    trace: { samples: samples.map(({ at }, index) => ({ at, connections: connections[index]! })), lifelines },
    diagnosis: alarms.length > 0 ? alarms : [facts.seconds < SHORTEST_JUDGED_S ? 'too short to tell' : verdict],
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
