/**
 * One figure a round and contender. In each round every contender has its turn, and each round begins with another one, so that a machine
 * that slows down meanwhile slows all of them.
 */
export async function interleave<Contender extends { readonly name: string }, Figure = number>(
  contenders: readonly Contender[],
  rounds: number,
  measure: (contender: Contender, isWarmUp: boolean) => Promise<Figure>,
): Promise<Map<string, Figure[]>> {
  const figures = new Map<string, Figure[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      // The first round only lets the compiler see the code.
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
