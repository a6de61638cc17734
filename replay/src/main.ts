import { contenderOf, highestLimit } from './contenders/catalogue.js';
import { checkTenure } from './figures/checks.js';
import { type Summary, summariseAll } from './figures/summary.js';
import { throughputRatio, verdict } from './figures/verdict.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { notes } from './output/notes.js';
import { ProgressLine } from './output/progress.js';
import { terminalTable } from './output/terminalTable.js';
import { UsageError } from './output/usageError.js';
import { makePlan, type Plan } from './plan.js';
import { Cleanup } from './processes/cleanup.js';
import { type Outcome, replay } from './replay.js';
import { writeReport } from './report/writeReport.js';

const FAILED = 1;
const MISUSED = 2;
/** As shells say it: 128 and the signal's number. */
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

const cleanup = new Cleanup();
const line = new ProgressLine();

for (const [signal, code] of Object.entries(INTERRUPTED)) {
  process.on(signal, () => leave(code, `${signal}: stopping everything`));
}
// Someone who no longer listens (`| head`) is one of these.
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
  const plan = makePlan({ ...options, limit: await highestLimit(options.only) });
  const outcome = await replay(plan, options, line, cleanup);
  line.step('Stopping everything');
  await cleanup.run();
  line.end();
  return present(outcome, plan, options);
}

async function present(outcome: Outcome, plan: Plan, options: Options): Promise<number> {
  const summaries = summariseAll(outcome.passes);
  const said = {
    summaries,
    verdict: verdict(summaries, outcome.findings.maxConnections),
    notes: notes(summaries, plan, outcome.serverCpuComplete),
    checks: checkTenure(summaries),
  };
  console.log(`\n${terminalTable(summaries)}\n${said.verdict}\n\n${said.notes.join('\n')}\n`);
  for (const { passed, text } of said.checks) console.log(`${passed ? '✓' : '✗ NOT KEPT:'} ${text}`);
  const ratio = ratioLine(summaries);
  if (ratio !== null) console.log(ratio);
  console.log(`\nReport: ${await writeReport({ ...outcome, ...said }, options.report)}`);
  return said.checks.every(({ passed }) => passed) ? 0 : FAILED;
}

/** A figure, not a promise: it hangs on the machine, and on what else runs there. */
function ratioLine(summaries: readonly Summary[]): string | null {
  const ratio = throughputRatio(summaries);
  const { title } = contenderOf('stock');
  return ratio === null ? null : `  Tenure’s requests/s: ${ratio.toFixed(2)} times those of ${title}`;
}

/** The one way out, taken once: whatever was started is ended first. */
let leaving = false;
async function leave(code: number, lastWords?: string): Promise<void> {
  if (leaving) return;
  leaving = true;
  line.end();
  if (lastWords !== undefined) console.error(lastWords);
  const failure = await cleanup.run().catch((error: unknown) => error);
  if (failure !== undefined) console.error(failure);
  process.exit(code === 0 && failure !== undefined ? FAILED : code);
}

function describe(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) + cause(error) : String(error);
}

function cause({ cause }: Error): string {
  return cause instanceof Error ? `\nCaused by: ${describe(cause)}` : '';
}
