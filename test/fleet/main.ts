import { Fleet } from './fleet.js';
import { runOnce } from './scenarios.js';

/**
 * The simulation by hand: `npx -y pnpm@12 test:fleet RUNS FIRST_SEED`, each run with its seed; or `test:fleet processes 1000`, one large fleet.
 */
const [what = '100', argument] = process.argv.slice(2);
const began = performance.now();
const tookS = () => ((performance.now() - began) / 1_000).toFixed(1);

if (what === 'processes') await runLarge(Number(argument ?? 1_000));
else await runMany(Number(what), Number(argument ?? 1));

async function runMany(runs: number, first: number): Promise<void> {
  let bad = 0;
  for (let seed = first; seed < first + runs; seed++) {
    const outcome = await runOnce(seed);
    if (outcome.problems.length > 0) {
      bad++;
      console.log(JSON.stringify(outcome));
    }
    if (seed % 100 === 0) console.log(`… seed ${seed}, ${bad} with a problem so far`);
  }
  console.log(`${runs} runs, ${bad} with a problem, in ${tookS()} s`);
  if (bad > 0) process.exitCode = 1;
}

/** Twice as many slots as processes, of which a tenth wants more than its share. */
async function runLarge(processes: number): Promise<void> {
  const budget = 2 * processes;
  const fleet = new Fleet(1, { holdMs: 400, thinkMs: 400 });
  for (let index = 0; index < processes; index++) fleet.join({ budget }).callers = index % 10 === 0 ? 30 : 1;
  await fleet.run(15_000);
  const held = fleet.living.map(({ slots }) => slots);
  console.log(
    `${processes} processes, ${budget} slots, 15 s of their time: at most ${fleet.peak} in use, between ${Math.min(...held)} and ` +
      `${Math.max(...held)} for each, in ${tookS()} s`,
  );
}
