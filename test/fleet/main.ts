import { runOnce } from './scenarios.js';

/** `node main.ts RUNS FIRST_SEED`: runs of the simulation by hand, each with its seed. */
const runs = Number(process.argv[2] ?? 100);
const first = Number(process.argv[3] ?? 1);
const began = performance.now();
let bad = 0;
for (let seed = first; seed < first + runs; seed++) {
  const outcome = await runOnce(seed);
  if (outcome.problems.length > 0) {
    bad++;
    console.log(JSON.stringify(outcome));
  }
  if (seed % 100 === 0) console.log(`… seed ${seed}, ${bad} with a problem so far`);
}
console.log(`${runs} runs, ${bad} with a problem, in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
process.exitCode = bad > 0 ? 1 : 0;
