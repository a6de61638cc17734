import type { Outcome } from '../bench.js';
import { measure } from '../measured.js';
import { handOff } from './handOff.js';

/** A young generation of this many megabytes: 5,000 acquires do not fill it with any pool, so nothing is collected while they run. */
const YOUNG = ['--min-semi-space-size=128', '--max-semi-space-size=128'];
const FORCED = '--expose-gc';

export async function runPool(quick: boolean): Promise<Outcome> {
  const time = await handOff(quick, (text) => console.error(`  ${text} …`));
  const memory = await measure({ part: 'memory', quick, url: '' }, [FORCED, ...YOUNG]);
  return {
    report: {
      title: time.title,
      about: [...time.about, ...memory.about],
      tables: [...time.tables, ...memory.tables],
      plots: [...time.plots, ...memory.plots],
      targets: [...time.targets, ...memory.targets],
      figures: { ...time.figures, ...memory.figures },
    },
  };
}
