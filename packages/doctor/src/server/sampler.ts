import type { PlanCounts, Recording, Refusal, Sample, ServerFacts } from '../sample/sample.js';
import { type Connection, type ConnectOptions, Connector } from './connection.js';
import { ConnectionFailure } from './failures.js';
import { plansQuestion } from './queries.js';
import { SampleReader } from './reader.js';
import type { Target } from './target.js';

const EVERY_MS = 200;
/** A sample costs the server 10 to 15 µs of CPU for each session. Many sessions are sampled less often, to stay below 1 % of a core. */
const EVERY_MS_PER_SESSION = 2;
/** At a full server a slot is free only for a moment, so the doctor tries often. */
const RETRY_MS = 250;
const CONNECT_WITHIN_MS = 5_000;
/** Busy backends report their counters once a second. */
const LATE_REPORTS_MS = 1_200;
/** If the server was full at first, the window is extended by this much at most, to be of full length. */
const LATEST_END_MS = 5_000;

export interface SampleOptions extends ConnectOptions {
  readonly seconds: number;
  /** Samples older than this are dropped; by default all are kept. */
  readonly keepMs?: number;
  /** Ends the window early. */
  readonly signal?: AbortSignal;
  /** Called after each sample and each refusal, with all so far. */
  onChange?(recording: Recording): void;
  /** Called at the end of the window; `true` watches for another one as long. */
  another?(recording: Recording): boolean;
}

/**
 * Watches a server over one connection, for `seconds` and at most ten more.
 *
 * @throws {ConnectionFailure} when the server refuses for good, for example because of a wrong password. A server that is full, restarts, or closes
 * the connection is tried again until the time is up; the recording then says so.
 */
export async function watch(target: Target, options: SampleOptions): Promise<Recording> {
  return new Sampler(target, options).run();
}

class Sampler {
  readonly #connector: Connector;
  readonly #options: SampleOptions;
  readonly #samples: Sample[] = [];
  readonly #refusals: Refusal[] = [];
  readonly #reader = new SampleReader();
  readonly #begun = performance.now();
  #connection: Connection | null = null;
  #server: ServerFacts | null = null;
  #ownBefore = 0;
  #askedMs = 0;
  /** The server's clock minus this machine's. */
  #clockAhead = 0;

  constructor(target: Target, options: SampleOptions) {
    this.#connector = new Connector(target, { ...options, askPassword: (user) => this.#askPassword(user) });
    this.#options = options;
  }

  async run(): Promise<Recording> {
    const windowMs = this.#options.seconds * 1_000;
    let endAt = this.#begun + windowMs;
    let plansBefore: Plans | null = null;
    try {
      while (performance.now() < endAt && !this.#stopped) {
        const begun = performance.now();
        const first = this.#samples.length === 0;
        if (await this.#look(endAt)) {
          if (first) {
            endAt = Math.min(performance.now() + windowMs, endAt + this.#askedMs + LATEST_END_MS);
            plansBefore = await this.#plans();
          }
          const pause = Math.max(EVERY_MS, EVERY_MS_PER_SESSION * this.#samples.at(-1)!.sessions.length);
          await sleep(Math.min(begun + pause, endAt) - performance.now());
        } else {
          await sleep(Math.min(RETRY_MS, endAt - performance.now()));
        }
        if (performance.now() >= endAt && this.#another()) endAt += windowMs;
      }
      return await this.#end(plansBefore);
    } finally {
      this.#connection?.close();
    }
  }

  /** Asks for the password, and extends the window by the time that the answer takes. */
  async #askPassword(user: string): Promise<string | null> {
    const begun = performance.now();
    const password = await this.#options.askPassword(user);
    this.#askedMs += performance.now() - begun;
    return password;
  }

  get #stopped(): boolean {
    return this.#options.signal?.aborted ?? false;
  }

  #another(): boolean {
    return this.#samples.length > 0 && (this.#options.another?.(this.#recording(null)) ?? false);
  }

  async #end(plansBefore: Plans | null): Promise<Recording> {
    if (!this.#connection || this.#stopped) return this.#recording(null);
    await sleep(LATE_REPORTS_MS);
    await this.#look(performance.now() + CONNECT_WITHIN_MS);
    const plansAfter = plansBefore && (await this.#plans());
    return this.#recording(plansBefore && plansAfter && planCounts(plansBefore, plansAfter));
  }

  #recording(plans: PlanCounts | null): Recording {
    return { server: this.#server, samples: this.#samples, refusals: this.#refusals, plans };
  }

  /** Takes one sample; false if the server gave none at this moment. */
  async #look(endAt: number): Promise<boolean> {
    try {
      this.#connection ??= await this.#connect(endAt);
      const sample = await this.#sample(this.#connection);
      this.#samples.push(sample);
      const { keepMs = Infinity } = this.#options;
      while (this.#samples[0]!.at < sample.at - keepMs) this.#samples.shift();
      this.#options.onChange?.(this.#recording(null));
      return true;
    } catch (error) {
      if (!(error instanceof ConnectionFailure)) throw error;
      this.#lose();
      // A server that has refused the doctor exists, so a later failure to connect is a restart.
      const wasThere = this.#server !== null || this.#refusals.length > 0;
      if (!error.passing && !wasThere) throw error;
      const refusal = { at: Math.round(Date.now() + this.#clockAhead), code: error.code, message: error.message };
      this.#refusals.push(refusal);
      this.#options.onChange?.(this.#recording(null));
      return false;
    }
  }

  async #connect(endAt: number): Promise<Connection> {
    const timeoutMs = Math.max(1_000, Math.min(CONNECT_WITHIN_MS, endAt - performance.now()));
    const connection = await this.#connector.open(timeoutMs);
    this.#server ??= connection.server;
    return connection;
  }

  #lose(): void {
    if (!this.#connection) return;
    this.#ownBefore += this.#connection.transactions;
    this.#connection.close();
    this.#connection = null;
  }

  async #sample(connection: Connection): Promise<Sample> {
    const own = this.#ownBefore + connection.transactions;
    const sample = await this.#reader.read(
      (...questions) => connection.read(...questions),
      own,
      connection.server.pooler,
    );
    this.#clockAhead = sample.at - Date.now();
    return sample;
  }

  async #plans(): Promise<Plans | null> {
    const connection = this.#connection;
    if (!connection?.plansFrom) return null;
    try {
      const [rows] = await connection.read(plansQuestion(connection.plansFrom));
      return new Map((rows as [string, number, number][]).map(([id, calls, plans]) => [id, { calls, plans }]));
    } catch {
      // The extension is not loaded, or not allowed for this role. The report lacks one finding; the connection is replaced, since its transaction
      // has failed.
      this.#lose();
      return null;
    }
  }
}

type Plans = Map<string, { calls: number; plans: number }>;

const PLANNED_EACH_TIME = 0.9;

function planCounts(before: Plans, after: Plans): PlanCounts {
  let calls = 0;
  let callsPlannedEachTime = 0;
  for (const [id, now] of after) {
    const then = before.get(id) ?? { calls: 0, plans: 0 };
    const rose = now.calls - then.calls;
    if (rose <= 0) continue;
    calls += rose;
    if (now.plans - then.plans >= PLANNED_EACH_TIME * rose) callsPlannedEachTime += rose;
  }
  return { calls, callsPlannedEachTime };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
