import { getBorderCharacters, table } from 'table';

/** A table for the terminal, with a line wherever the first column changes. */
export function render(rows: readonly string[][]): string {
  return table(rows as string[][], {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    drawHorizontalLine: (line, count) => line <= 1 || line === count || rows[line]?.[0] !== rows[line - 1]?.[0],
  });
}
