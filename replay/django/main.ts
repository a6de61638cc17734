import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '@tenure/test/support/freePort.js';
import { startPostgres } from '@tenure/test/support/postgres.js';
import autocannon from 'autocannon';

/** The doctor before the app of the incident itself: Debian's Django and gunicorn, CONN_MAX_AGE=60, one worker class after the other. */

const PYTHON = '/usr/bin/python3';
const NEEDED = 'python3-django gunicorn python3-eventlet python3-gevent python3-psycopg2';
const EXPECTED = { eventlet: 'not-reused', gevent: 'not-reused', sync: 'healthy' };
const WORKERS = 8;
const CLIENTS = 400;
/** Clients come and go, as browsers do. A client that never goes has a green thread of its own, whose connection is then reused. */
const REQUESTS_PER_CLIENT = 10;
const WARM_UP_MS = 4_000;
const ATTEMPTS = 60;
const doctor = fileURLToPath(new URL('../../packages/doctor/src/cli.ts', import.meta.url));

if (!isInstalled()) {
  console.log(`Skipped: Debian's Django is not installed (apt-get install ${NEEDED}).`);
} else {
  for (const workerClass of Object.keys(EXPECTED) as (keyof typeof EXPECTED)[]) await examine(workerClass);
}

function isInstalled(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import django, eventlet, gevent, psycopg2, gunicorn'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function examine(workerClass: keyof typeof EXPECTED): Promise<void> {
  await using postgres = await startPostgres();
  const port = await freePort();
  const args = [
    '-m',
    'gunicorn',
    '-k',
    workerClass,
    '-w',
    String(WORKERS),
    '-b',
    `127.0.0.1:${port}`,
    'app:application',
  ];
  const app = spawn(PYTHON, args, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, DATABASE_URL: postgres.url },
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  let load: autocannon.Instance | undefined;
  try {
    await untilAnswered(url);
    load = autocannon(
      { url, connections: CLIENTS, reconnectRate: REQUESTS_PER_CLIENT, duration: 60, timeout: 10 },
      () => {},
    );
    await sleep(WARM_UP_MS);
    console.log(`\n=== Django, gunicorn -k ${workerClass}, CONN_MAX_AGE=60; expected: ${EXPECTED[workerClass]}`);
    const node = [
      '--conditions=@tenure/source',
      '--import=tsx',
      doctor,
      postgres.superuserUrl,
      '--reserved',
      ...process.argv.slice(2).map((arg) => arg.replace('{app}', workerClass)),
    ];
    const examination = spawn(process.execPath, node, { stdio: 'inherit' });
    const [code] = await once(examination, 'exit');
    console.log(`=== exit code ${code}`);
  } finally {
    load?.stop();
    const gone = once(app, 'exit');
    app.kill('SIGTERM');
    await gone;
  }
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
