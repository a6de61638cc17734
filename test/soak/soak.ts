import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenAdapter } from '../contract/adapterContract.js';
import { openKnex } from '../contract/openKnex.js';
import { openPool } from '../contract/openPool.js';
import { Subject } from '../faults/contract/subject.js';
import { startPostgres } from '../support/postgres.js';
import { startProxy } from '../support/proxy/proxy.js';
import { Chance } from './chance.js';
import { FAULTS, type Scene } from './faults.js';
import { Load } from './load.js';

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Told of progress now and then. */
  readonly report: (line: string) => void;
}

/** The figures of a run. All but the first three must be 0. */
export interface Figures {
  /** Queries and transactions asked for. */
  operations: number;
  faults: number;
  /** Operations that failed with an error that says why: faults may cause that. */
  failed: number;
  /** Operations that were neither answered nor failed, and rows that were acknowledged and are missing. */
  lost: number;
  /** Operations that took longer than all their deadlines together. */
  hung: number;
  /** Errors that were not caught: each would have ended the process. */
  crashes: number;
  /** Connections left on the server after the drain, and drains that did not end. */
  leaked: number;
  /** Operations that failed with an error that says nothing. */
  unexplained: number;
  /** Connections that were lent to two borrowers at once. */
  lentTwice: number;
  /** Looks at a pool that had more connections than its maximum. */
  tooMany: number;
  /** Operations that failed although everything had been well again for a while. */
  unrecovered: number;
}

const APPS: readonly { open: OpenAdapter; max: number; workers: number }[] = [
  { open: openPool, max: 8, workers: 16 },
  { open: openKnex, max: 4, workers: 6 },
];
const LIMITS = {
  acquireTimeoutMs: 5_000,
  connectTimeoutMs: 3_000,
  healthTimeoutMs: 500,
  maxAgeMs: 10_000,
  keepaliveMs: 2_000,
};
/** Queries on a link that becomes silent are lost, and the app gives up on them. */
const QUERY_TIMEOUT_MS = 2_000;
/** A transaction waits for a connection, and then for five answers at most; and the event loop may be blocked meanwhile. */
const LONGEST_MS = LIMITS.acquireTimeoutMs + 5 * QUERY_TIMEOUT_MS + 3_000;
const ENDS_WITHIN_MS = 10_000;
/** Without a fault, everything must work after this time. */
const RECOVERS_WITHIN_MS = 2_000;
const REPORT_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 100;

/** Breaks things at random under load, and counts what should never happen. */
export async function soak({ seconds, seed, report }: SoakOptions): Promise<Figures> {
  await using postgres = await startPostgres({ maxConnections: 30 });
  await using proxy = await startProxy(postgres);
  await Load.createTable(postgres);
  const run = new Run({ postgres, proxy, chance: new Chance(seed) });
  const endsAt = performance.now() + seconds * 1_000;
  const reporting = setInterval(() => report(run.progress()), REPORT_EVERY_MS);
  try {
    while (performance.now() < endsAt) await run.strike();
    return await run.finish();
  } finally {
    clearInterval(reporting);
    run.stopLooking();
    for (const trouble of run.troubles) report(trouble);
  }
}

class Run {
  /** Violations, in words, with the fault before each. */
  readonly troubles: string[] = [];
  readonly #scene: Scene;
  readonly #load: Load;
  readonly #apps: readonly { app: Subject; max: number }[];
  readonly #looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
  readonly #hung = new Set<object>();
  readonly #beganAt = performance.now();
  #lastFault = 'the start';
  #faults = 0;
  #crashes = 0;
  #tooMany = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#load = new Load(new Chance(scene.chance.seed + 1));
    this.#apps = APPS.map(({ open, max, workers }) => {
      const app = new Subject(open(targetOf(scene), { ...LIMITS, maxConnections: max }));
      this.#load.start(app, workers);
      return { app, max };
    });
    process.on('uncaughtException', this.#onCrash).on('unhandledRejection', this.#onCrash);
  }

  /** One fault, and a pause in which things may recover, or not yet. */
  async strike(): Promise<void> {
    const { proxy, chance } = this.#scene;
    this.#lastFault = chance.oneOf(Object.keys(FAULTS));
    this.#faults++;
    await FAULTS[this.#lastFault]!(this.#scene);
    proxy.heal();
    await sleep(chance.between(0, 1_000));
  }

  /** Everything works again from here on. */
  async finish(): Promise<Figures> {
    const { postgres, proxy } = this.#scene;
    await endsInTime(this.#load.stop(), LONGEST_MS);
    const unrecovered = await this.#failuresWhenAllIsWell();
    const drains = await Promise.all(this.#apps.map(({ app }) => endsInTime(app.destroy(), ENDS_WITHIN_MS)));
    const stillOpen = await settled(() => proxy.open);
    // The server keeps sessions that a network has dropped until its own keepalive fails.
    proxy.sever();
    const leftOnServer = await settled(async () => (await postgres.activity()).length);
    const lostRows = await this.#load.lostRows(postgres);
    return {
      ...this.#figures(),
      lost: this.#sum(({ pending }) => pending.size) + lostRows,
      leaked: stillOpen + leftOnServer + drains.filter((inTime) => !inTime).length,
      unrecovered,
    };
  }

  progress(): string {
    const { operations, faults, failed, hung, crashes } = this.#figures();
    const seconds = Math.round((performance.now() - this.#beganAt) / 1_000);
    return `${seconds} s: ${operations} operations, ${faults} faults, ${failed} failed, ${hung} hung, ${crashes} crashes`;
  }

  stopLooking(): void {
    clearInterval(this.#looking);
    process.off('uncaughtException', this.#onCrash).off('unhandledRejection', this.#onCrash);
  }

  #figures(): Figures {
    return {
      operations: this.#sum(({ calls }) => calls.length),
      faults: this.#faults,
      failed: this.#sum(({ failed }) => failed.length),
      lost: 0,
      hung: this.#hung.size,
      crashes: this.#crashes,
      leaked: 0,
      unexplained: this.#sum(({ unexplained }) => unexplained.length),
      lentTwice: this.#sum(({ lentTwice }) => lentTwice),
      tooMany: this.#tooMany,
      unrecovered: 0,
    };
  }

  readonly #onCrash = (error: unknown): void => {
    this.#crashes++;
    this.#note(`nobody caught ${error instanceof Error ? error.stack : String(error)}`);
  };

  #note(trouble: string): void {
    this.troubles.push(`After "${this.#lastFault}": ${trouble}`);
  }

  #look(): void {
    const now = performance.now();
    for (const { app, max } of this.#apps) {
      const { used, idle, opening, busy } = app.stats();
      if (used + idle + opening + busy > max) this.#tooMany++;
      for (const call of app.pending) {
        if (now - call.askedAt <= LONGEST_MS || this.#hung.has(call)) continue;
        this.#hung.add(call);
        this.#note('an operation hangs');
      }
    }
  }

  async #failuresWhenAllIsWell(): Promise<number> {
    await sleep(RECOVERS_WITHIN_MS);
    let failures = 0;
    for (const { app, max } of this.#apps) {
      const queries = Array.from({ length: 5 * max }, () => app.query('select pg_sleep(0.01)'));
      for (const outcome of await Promise.allSettled(queries)) {
        if (outcome.status === 'fulfilled') continue;
        failures++;
        this.#note(`not recovered: ${outcome.reason}`);
      }
    }
    return failures;
  }

  #sum(count: (app: Subject) => number): number {
    return this.#apps.reduce((sum, { app }) => sum + count(app), 0);
  }
}

function targetOf({ postgres: { user, password, database }, proxy: { host, port } }: Scene) {
  return { host, port, user, password, database, query_timeout: QUERY_TIMEOUT_MS };
}

function endsInTime(ending: Promise<unknown>, ms: number): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => void setTimeout(resolve, ms, false).unref());
  return Promise.race([ending.then(() => true), late]);
}

/** A count that should go down to 0, and gets a few seconds to do so. */
async function settled(count: () => number | Promise<number>): Promise<number> {
  for (let look = 0; look < 50 && (await count()) > 0; look++) await sleep(100);
  return count();
}

/** Which figures are wrong. */
export function wrongIn({ operations: _, faults: __, failed: ___, ...mustBeNone }: Figures): string[] {
  return Object.entries(mustBeNone).flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []));
}
