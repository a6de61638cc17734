/**
 * Measures one figure for each round and contender. In each round every contender has its turn, and each round begins with
 * another contender, so that a machine that becomes slower makes all of them slower.
 */
export async function interleave<Contender extends { readonly name: string }, Figure = number>(
  contenders: readonly Contender[],
  rounds: number,
  measure: (contender: Contender, isWarmUp: boolean) => Promise<Figure>,
): Promise<Map<string, Figure[]>> {
  const figures = new Map<string, Figure[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      // The first round is not counted: the compiler has not optimised the code yet.
      const isWarmUp = round < 0;
      const figure = await measure(contender, isWarmUp);
      if (!isWarmUp) figures.get(contender.name)?.push(figure);
    }
  }
  return figures;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = (by + items.length) % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
