/** The largest number of these ascending moments within a window of this length. */
export function mostWithin(moments: readonly number[], windowMs: number): number {
  let first = 0;
  let most = 0;
  for (const [index, moment] of moments.entries()) {
    while (moment - moments[first]! >= windowMs) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
