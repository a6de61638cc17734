import { compileWorker } from './app/fleet.js';
import { contenderOf, routeOf } from './contenders/catalogue.js';
import { type Database, prepareDatabase } from './database/database.js';
import type { Findings } from './database/findings.js';
import type { Needs } from './database/refusals.js';
import { count } from './figures/format.js';
import type { PassFigures } from './figures/passFigures.js';
import { compileGenerator } from './load/load.js';
import type { Progress } from './load/loadTypes.js';
import type { Options } from './options.js';
import { builtFile } from './output/folders.js';
import type { ProgressLine } from './output/progress.js';
import { runPass } from './pass.js';
import type { Pass, Plan } from './plan.js';
import { generateClient } from './prisma/generate.js';
import type { Cleanup } from './processes/cleanup.js';
import { Watcher } from './watch/watcher.js';

/** The name of the file beside the compiled worker, which loads it. */
export const PRISMA_CLIENT = 'prismaClient.js';

export interface Outcome {
  passes: PassFigures[];
  findings: Findings;
  serverCpuComplete: boolean;
}

export interface ReplayOptions extends Pick<Options, 'allowRemote'> {
  /** The URL of the user's own server; undefined for a new one. */
  url: string | undefined;
}

/** Runs the whole plan on one database. */
export async function replay(
  plan: Plan,
  options: ReplayOptions,
  line: ProgressLine,
  cleanup: Cleanup,
): Promise<Outcome> {
  await prepareApp(plan, line);
  const { url } = options;
  line.step(url === undefined ? 'Starting a fresh PostgreSQL' : 'Looking at the server of DATABASE_URL');
  const database = await prepareDatabase(
    {
      url,
      allowRemote: options.allowRemote,
      needs: needsOf(plan),
      onFindings: (found) => tell(found, line),
      onSlow: (text) => line.step(text),
    },
    cleanup,
  );
  try {
    const watcher = await Watcher.start(database.watcherUrl, database.applicationName, cleanup);
    const passes: PassFigures[] = [];
    for (const [index, pass] of plan.passes.entries()) {
      line.step(stepText(pass, index, plan));
      passes.push(await runPass(pass, { plan, database, watcher, cleanup, ...liveFigures(line) }));
    }
    return { passes, findings: database.findings, serverCpuComplete: watcher.cpu.complete };
  } catch (error) {
    // Errors that stopping causes are not shown.
    if (!cleanup.begun) await tellServerLog(database, line);
    throw error;
  }
}

async function prepareApp({ passes }: Plan, line: ProgressLine): Promise<void> {
  if (passes.some(({ contender }) => routeOf(contender) === 'sign-ups')) {
    await generateClient(await builtFile(PRISMA_CLIENT), (text) => line.step(text));
  }
  line.step('Compiling the app and the load generator');
  await Promise.all([compileWorker(), compileGenerator()]);
}

function needsOf({ passes, connections }: Plan): Needs {
  return { connections, exhausts: passes.some(({ contender }) => contenderOf(contender).exhausts) };
}

function tell(found: Findings, line: ProgressLine): void {
  line.end();
  console.log(
    `DATABASE_URL: PostgreSQL ${found.version} at ${found.host}, database ${found.database}, role ${found.role}` +
      `${found.superuser ? ' (a superuser)' : ''}; max_connections ${found.maxConnections}, ` +
      `${found.sessions} other sessions there, ${found.free} connections free.`,
  );
}

function stepText({ contender, number, of }: Pass, index: number, { passes }: Plan): string {
  const { title } = contenderOf(contender);
  const which = of > 1 ? `, pass ${number} of ${of}` : '';
  return `[${index + 1}/${passes.length}] ${title}${which}`;
}

function liveFigures(line: ProgressLine) {
  let connections = 0;
  let progress: Progress = { answered: 0, failed: 0, timedOut: 0 };
  const show = () => {
    const { answered, failed, timedOut } = progress;
    line.detail(
      `${connections} connections, ${count(answered)} answered, ${count(failed)} failed, ${count(timedOut)} timed out`,
    );
  };
  return {
    onConnections: (now: number) => {
      connections = now;
      show();
    },
    onProgress: (now: Progress) => {
      progress = now;
      show();
    },
  };
}

const LOG_LINES_SHOWN = 25;

/** The last log lines of a server that the replay started. The user's server shows none. */
async function tellServerLog(database: Database, line: ProgressLine): Promise<void> {
  line.end();
  const log = await Promise.race([database.log(), database.died]).catch(() => '');
  if (log === '') return;
  console.error(`The server's last words:\n${log.split('\n').slice(-LOG_LINES_SHOWN).join('\n')}\n`);
}
