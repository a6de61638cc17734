import { getBorderCharacters, table } from 'table';
import { targetLine } from '../figures/ratio.js';
import type { Report, Setting, Table } from './report.js';
import { settingLines } from './setting.js';

/** A report for the terminal. */
export function terminal({ title, about, tables, targets }: Report, setting: Setting): string {
  const drawn = tables.map((one) => `${one.title}\n${draw(one)}`);
  return [title, ...settingLines(setting), '', ...about, '', ...drawn, ...targets.map(targetLine), ''].join('\n');
}

/** A line between groups, where the first column makes groups. */
function draw({ head, rows }: Table): string {
  const lines = [head, ...rows] as string[][];
  const grouped = new Set(rows.map(([first]) => first)).size < rows.length;
  return table(lines, {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    columns: { 0: { alignment: 'left' } },
    drawHorizontalLine: (line, count) =>
      line <= 1 || line === count || (grouped && lines[line]?.[0] !== lines[line - 1]?.[0]),
  });
}
