/** The seed of CI: there a change turns a test red, and not chance. Other seeds are drawn everywhere else, and printed. */
const CI_SEED = 20_261_127;

/** The seed of a test that draws what it does: from this variable, which repeats a run, or else drawn. */
export function seedFrom(variable: string): number {
  const written = process.env[variable];
  if (written !== undefined) return Number(written);
  return process.env.CI ? CI_SEED : Math.floor(Math.random() * 1e9);
}
