import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '@tenure/test/support/postgres.js';
import pg from 'pg';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import type { Report } from '../report/report.js';
import { type App, CONTENDERS } from './contenders.js';

const WORKERS = 20;
const PROBE_MS = 10;
const STEADY_MS = 500;
/** How long the server is away, in addition to the time of its stop and start. */
const DOWN_MS = 1_000;
/** A worker that is refused at once pauses this long, as an app's clients do. */
const PAUSE_MS = 5;
/** A pool without an answer by then counts as not recovered. */
const GIVE_UP_MS = 20_000;

interface Figures {
  /** From the server's readiness to the first answer of a query, however old that query is. */
  readonly firstMs: number;
  readonly failed: number;
  readonly longestMs: number;
  readonly downMs: number;
}

/** Measures how soon a pool works again after its server was restarted under load. */
export async function recovery(
  server: PostgresServer,
  quick: boolean,
  progress: (text: string) => void,
): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const contenders = CONTENDERS.map(({ name, open }) => ({ name, app: open(server.url) }));
  const measured = await interleave(contenders, rounds, async ({ name, app }, isWarmUp) => {
    progress(`${name}${isWarmUp ? ', warming up' : ''}`);
    return isWarmUp ? warmUp(app) : restart(server, app);
  });
  await Promise.all(contenders.map(({ app }) => app.close()));
  return reportOf(measured, rounds);
}

async function warmUp(app: App): Promise<Figures> {
  await Promise.all(Array.from({ length: WORKERS }, () => app.query()));
  return { firstMs: 0, failed: 0, longestMs: 0, downMs: 0 };
}

async function restart(server: PostgresServer, app: App): Promise<Figures> {
  const load = startLoad(app);
  await sleep(STEADY_MS);
  const stoppedAt = performance.now();
  await server.stopServer('fast');
  await sleep(DOWN_MS);
  const [readyAt] = await Promise.all([untilReady(server.url), server.startServer()]);
  await load.untilAnsweredAfter(readyAt);
  const { failed, longestMs, answeredAfter } = await load.stop();
  return { firstMs: answeredAfter(readyAt) - readyAt, failed, longestMs, downMs: readyAt - stoppedAt };
}

function startLoad(app: App) {
  const answers: number[] = [];
  let failed = 0;
  let longestMs = 0;
  let stopped = false;
  const worker = async () => {
    while (!stopped) {
      const asked = performance.now();
      const answered = await app.query().then(
        () => true,
        () => false,
      );
      const now = performance.now();
      longestMs = Math.max(longestMs, now - asked);
      if (answered) answers.push(now);
      else failed++;
      if (!answered) await sleep(PAUSE_MS);
    }
  };
  const done = Promise.all(Array.from({ length: WORKERS }, worker));
  const answeredAfter = (moment: number) => answers.find((at) => at > moment) ?? Number.NaN;
  return {
    untilAnsweredAfter: async (moment: number) => {
      const giveUpAt = performance.now() + GIVE_UP_MS;
      while (Number.isNaN(answeredAfter(moment)) && performance.now() < giveUpAt) await sleep(PROBE_MS);
    },
    stop: async () => {
      stopped = true;
      await done;
      return { failed, longestMs, answeredAfter };
    },
  };
}

/** The moment at which the server first accepts a login. */
async function untilReady(url: string): Promise<number> {
  const giveUpAt = performance.now() + GIVE_UP_MS;
  while (performance.now() < giveUpAt) {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    const ready = await client.connect().then(
      () => true,
      () => false,
    );
    const now = performance.now();
    if (ready) {
      await client.end();
      return now;
    }
    await sleep(PROBE_MS);
  }
  throw new Error('The server did not come back.');
}

function reportOf(measured: ReadonlyMap<string, readonly Figures[]>, rounds: number): Report {
  const take = (name: string, figure: keyof Figures) => (measured.get(name) ?? []).map((round) => round[figure]);
  const middle = (name: string, figure: keyof Figures) => median(take(name, figure)).toFixed(0);
  const names = CONTENDERS.map(({ name }) => name);
  return {
    title: 'After a restart of the server',
    about: [
      `${WORKERS} workers on 10 connections, one query after another; a query that fails is followed by a pause of ${PAUSE_MS} ms. The server is stopped (fast), ` +
        `away for ${DOWN_MS / 1_000} s, and started again. Medians of ${rounds} interleaved rounds.`,
      'Ready: the moment when a client that tries every 10 ms is first let in. Stock pools fail at once while the server is away; Tenure’s callers wait for it.',
    ],
    tables: [
      {
        title: 'A fast restart under load',
        head: ['', 'first answer after ready, ms', 'queries failed', 'longest query, ms', 'server away, ms'],
        rows: names.map((name) => [
          name,
          middle(name, 'firstMs'),
          middle(name, 'failed'),
          middle(name, 'longestMs'),
          middle(name, 'downMs'),
        ]),
      },
    ],
    plots: [
      {
        title: 'First answer after the server is ready',
        unit: 'ms, less is better',
        bars: names.map((name) => ({ name, value: median(take(name, 'firstMs')) })),
      },
      {
        title: 'Queries failed',
        unit: 'less is better',
        bars: names.map((name) => ({ name, value: median(take(name, 'failed')) })),
      },
    ],
    targets: [],
    figures: { recovery: Object.fromEntries(measured) },
  };
}
