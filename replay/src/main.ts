import { CannotStartError } from '@tenure/test/support/cannotStart.js';
import { watchLaunchers } from '@tenure/test/support/launchers.js';
import { removeTemporaryFolders } from '@tenure/test/support/temporaryFolder.js';
import { contenderOf, highestLimit } from './contenders/catalogue.js';
import { ROUTES, type RouteKey } from './contenders/routes.js';
import { checkTenure } from './figures/checks.js';
import { PAIRS, throughputRatio } from './figures/ratio.js';
import { type Summary, summariseAll } from './figures/summary.js';
import { verdicts } from './figures/verdict.js';
import { serveLive } from './live.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { diagnoses } from './output/diagnoses.js';
import { notes } from './output/notes.js';
import { ProgressLine } from './output/progress.js';
import { terminalTables } from './output/terminalTable.js';
import { UsageError } from './output/usageError.js';
import { makePlan, type Plan } from './plan.js';
import { Cleanup } from './processes/cleanup.js';
import { type Outcome, replay } from './replay.js';
import { writeReport } from './report/writeReport.js';

const FAILED = 1;
const MISUSED = 2;
/** The exit codes of shells: 128 and the signal's number. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const cleanup = new Cleanup();
const line = new ProgressLine();

for (const [signal, code] of Object.entries(INTERRUPTED)) {
  process.on(signal, () => leave(code, `${signal}: stopping everything`));
}
watchLaunchers(() => leave(INTERRUPTED.SIGTERM, 'The command that started this has ended: stopping everything'));
// A closed pipe (`| head`) is one of these errors.
process.on('uncaughtException', (error) => leave(FAILED, describe(error)));

main().then(
  (code) => leave(code),
  (error: unknown) => leave(error instanceof UsageError ? MISUSED : FAILED, describe(error)),
);

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const url = process.env.DATABASE_URL || undefined;
  if (options.serve) return serveLive({ ...options, url }, line, cleanup);
  const plan = makePlan({ ...options, limit: await highestLimit(options.only) });
  const outcome = await replay(plan, { ...options, url }, line, cleanup);
  line.step('Stopping everything');
  await cleanup.run();
  line.end();
  return present(outcome, plan, options);
}

async function present(outcome: Outcome, plan: Plan, options: Options): Promise<number> {
  const summaries = summariseAll(outcome.passes);
  const said = {
    summaries,
    verdicts: verdicts(summaries, outcome.findings.maxConnections),
    notes: notes(summaries, plan, outcome.serverCpuComplete),
    checks: checkTenure(summaries),
  };
  console.log(`\n${terminalTables(summaries)}\n${said.verdicts.join('\n')}\n\n${said.notes.join('\n')}\n`);
  for (const { passed, text } of said.checks) console.log(`${passed ? '✓' : '✗ NOT KEPT:'} ${text}`);
  for (const line of ratioLines(summaries)) console.log(line);
  console.log(`\n${diagnoses(summaries)}`);
  console.log(`Report: ${await writeReport({ ...outcome, ...said }, options.report)}`);
  return said.checks.every(({ passed }) => passed) ? 0 : FAILED;
}

/** Figures, not promises: they depend on the machine, and on its other programs. */
function ratioLines(summaries: readonly Summary[]): string[] {
  return (Object.keys(ROUTES) as RouteKey[]).flatMap((route) => {
    const ratio = throughputRatio(summaries, route);
    const { ours, theirs } = PAIRS[route];
    if (ratio === null) return [];
    return `  ${contenderOf(ours).title}, requests/s: ${ratio.toFixed(2)} times those of ${contenderOf(theirs).title}`;
  });
}

/** Whether the exit has begun. It runs once, and first ends all that was started. */
let leaving = false;
async function leave(code: number, lastWords?: string): Promise<void> {
  if (leaving) return;
  leaving = true;
  line.end();
  if (lastWords !== undefined) console.error(lastWords);
  const failure = await cleanup
    .run()
    .then(removeTemporaryFolders)
    .catch((error: unknown) => error);
  if (failure !== undefined) console.error(failure);
  process.exit(code === 0 && failure !== undefined ? FAILED : code);
}

function describe(error: unknown): string {
  if (error instanceof UsageError || error instanceof CannotStartError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) + cause(error) : String(error);
}

function cause({ cause }: Error): string {
  return cause instanceof Error ? `\nCaused by: ${describe(cause)}` : '';
}
