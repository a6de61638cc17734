import { getBorderCharacters, table } from 'table';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';
import { ROWS } from './rows.js';

export function terminalTable(summaries: readonly Summary[]): string {
  const head = ['', ...summaries.map(titleOf)];
  const body = ROWS.map(([name, say]) => [name, ...summaries.map(say)]);
  return table([head, ...body], {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    columns: { 0: { alignment: 'left' } },
    drawHorizontalLine: (line, rows) => line === 0 || line === 1 || line === rows,
  });
}
