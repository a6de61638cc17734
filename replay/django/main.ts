import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '@tenure/test/support/freePort.js';
import { findPgBouncer, startPgBouncer } from '@tenure/test/support/pgbouncer.js';
import { startPostgres } from '@tenure/test/support/postgres.js';
import { getBorderCharacters, table } from 'table';
import { count, percent, rough } from '../src/figures/format.js';
import { type Figures, measure } from './measure.js';
import { drawPlot } from './plot.js';
import { SCENARIOS, type Scenario } from './scenarios.js';

/**
 * Runs the app of the incident itself, Debian's Django under gunicorn, and prints the figures of its clients and the doctor's
 * diagnosis. With `WRITE_DOCS=1` it also draws docs/incident.svg.
 */

const PYTHON = '/usr/bin/python3';
const NEEDED = 'python3-django gunicorn python3-eventlet python3-gevent python3-psycopg2 pgbouncer';
const WORKERS = 8;
const MOST_POOLER_CLIENTS = 5_000;
const WARM_UP_MS = 4_000;
const ATTEMPTS = 60;
const HEAD = ['', 'requests', 'served', 'not served', 'timed out', 'most sessions', 'opened', 'server CPU ms/request'];
const doctor = fileURLToPath(new URL('../../packages/doctor/src/cli.ts', import.meta.url));

const [only, ...doctorArgs] = process.argv.slice(2).filter((arg) => arg !== '--');
const chosen = SCENARIOS.filter(({ key }) => only === undefined || only === 'all' || only.split(',').includes(key));

if (!isInstalled()) {
  console.log(`Skipped: Debian's Django is not installed (apt-get install ${NEEDED}).`);
} else if (chosen.length === 0) {
  console.error(`No such scenario: ${only}. There are ${SCENARIOS.map(({ key }) => key).join(', ')}, and all.`);
  process.exitCode = 2;
} else {
  const rows: string[][] = [];
  const lines = [];
  for (const scenario of chosen) {
    const figures = await examine(scenario);
    rows.push(rowOf(scenario, figures));
    lines.push({ title: scenario.title, sessions: figures.sessions });
    console.log(`\n${drawn(rows)}`);
  }
  if (process.env.WRITE_DOCS) await drawPlot(lines);
}

function isInstalled(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import django, eventlet, gevent, psycopg2, gunicorn'], { stdio: 'ignore' });
    return findPgBouncer() !== undefined;
  } catch {
    return false;
  }
}

async function examine(scenario: Scenario): Promise<Figures> {
  const { title, workerClass, maxAge, pooled, expected } = scenario;
  await using postgres = await startPostgres();
  await using pooler =
    pooled === undefined
      ? undefined
      : await startPgBouncer({
          upstream: postgres,
          poolMode: 'transaction',
          settings: { default_pool_size: pooled, max_client_conn: MOST_POOLER_CLIENTS },
        });
  const port = await freePort();
  const options = {
    '-k': workerClass,
    '-w': WORKERS,
    '-b': `127.0.0.1:${port}`,
    '--graceful-timeout': 1,
    '--timeout': 300,
  };
  const args = ['-m', 'gunicorn', ...Object.entries(options).flat().map(String), 'app:application'];
  const app = spawn(PYTHON, args, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, DATABASE_URL: pooler?.url ?? postgres.url, CONN_MAX_AGE: `${maxAge}` },
    stdio: 'ignore',
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    await untilAnswered(url);
    console.log(`\n=== Django, gunicorn: ${title}; expected of the doctor: ${expected}`);
    return await measure(url, postgres, () => askDoctor(postgres.superuserUrl, scenario));
  } finally {
    const gone = once(app, 'exit');
    app.kill('SIGTERM');
    await gone;
  }
}

async function askDoctor(url: string, { key }: Scenario): Promise<void> {
  await sleep(WARM_UP_MS);
  const args = doctorArgs.map((arg) => arg.replace('{app}', key));
  const node = ['--conditions=@tenure/source', '--import=tsx', doctor, url, '--reserved', ...args];
  const [code] = await once(spawn(process.execPath, node, { stdio: 'inherit' }), 'exit');
  console.log(`=== exit code ${code}`);
}

async function untilAnswered(url: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(500);
    }
  }
}

function rowOf({ title }: Scenario, figures: Figures): string[] {
  const { served, failed, timedOut, sessions, opened, cpuPerRequestMs } = figures;
  const requests = served + failed + timedOut;
  return [
    title,
    count(requests),
    count(served),
    percent(failed + timedOut, requests),
    percent(timedOut, requests),
    count(Math.max(0, ...sessions.map((seen) => seen.count))),
    count(opened),
    cpuPerRequestMs === null ? 'n/a' : rough(cpuPerRequestMs),
  ];
}

function drawn(rows: string[][]): string {
  return table([HEAD, ...rows], {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    columns: { 0: { alignment: 'left' } },
    drawHorizontalLine: (line, lines) => line === 0 || line === 1 || line === lines,
  });
}
