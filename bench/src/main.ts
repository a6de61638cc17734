import { UsageError } from '@tenure/replay/output/usageError.js';
import { CannotStartError } from '@tenure/test/support/cannotStart.js';
import { endWithLaunchers } from '@tenure/test/support/launchers.js';
import type { Bench } from './bench.js';
import { duration, type Options, parseOptions, USAGE } from './options.js';
import type { Setting } from './report/report.js';
import { settingOf } from './report/setting.js';
import { terminal } from './report/terminal.js';
import { write } from './report/write.js';

const FAILED = 1;
const MISUSED = 2;

endWithLaunchers();

try {
  await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  const misused = error instanceof UsageError;
  console.error(misused ? error.message : error);
  process.exitCode = misused ? MISUSED : FAILED;
}

async function main(options: Options): Promise<void> {
  if (options.help) return console.log(USAGE);
  const { benches, quick } = options;
  const seconds = benches.reduce((sum, bench) => sum + (quick ? bench.quickSeconds : bench.seconds), 0);
  console.error(`${benches.map(({ name }) => name).join(', ')}: ${duration(seconds)}`);
  for (const bench of benches) {
    await run(bench, options).catch((error: unknown) => {
      // The other benchmarks still run.
      console.error(`${bench.name} failed:`, error instanceof CannotStartError ? error.message : error);
      process.exitCode = FAILED;
    });
  }
}

async function run({ name, load }: Bench, { quick, writeDocs: toDocs }: Options): Promise<void> {
  const start = performance.now();
  const runBench = await load();
  const { report, postgres } = await runBench(quick);
  const setting = withServer(await settingOf(`npx -y pnpm@12 bench ${name}${quick ? ' --quick' : ''}`), postgres);
  const page = await write(name, report, setting, toDocs);
  console.log(terminal(report, setting));
  console.log(`${page} (${Math.round((performance.now() - start) / 1_000)} s)\n`);
}

function withServer(setting: Setting, version: string | undefined): Setting {
  return version === undefined ? setting : { ...setting, versions: { PostgreSQL: version, ...setting.versions } };
}
