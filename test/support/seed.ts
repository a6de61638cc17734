/** The seed in CI, so that a red test is caused by a change, and not by chance. Elsewhere seeds are random, and printed. */
const CI_SEED = 20_261_127;

/** The seed of a random test: from this variable, which repeats a run, or else a new one. */
export function seedFrom(variable: string): number {
  const written = process.env[variable];
  if (written !== undefined) return Number(written);
  return process.env.CI ? CI_SEED : Math.floor(Math.random() * 1e9);
}
