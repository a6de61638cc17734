import { getBorderCharacters, table } from 'table';
import { targetLine } from '../figures/ratio.js';
import { isGrouped, type Report, type Setting, type Table } from './report.js';
import { settingLines } from './setting.js';

/** A report for the terminal. */
export function terminal({ title, about, tables, targets }: Report, setting: Setting): string {
  const drawn = tables.map((one) => `${one.title}\n${draw(one)}`);
  return [title, ...settingLines(setting), '', ...about, '', ...drawn, ...targets.map(targetLine), ''].join('\n');
}

/** Draws a line between groups, if the first column makes groups. */
function draw(one: Table): string {
  const lines = [one.head, ...one.rows] as string[][];
  const grouped = isGrouped(one);
  return table(lines, {
    border: getBorderCharacters('norc'),
    columnDefault: { alignment: 'right' },
    columns: { 0: { alignment: 'left' }, ...(grouped ? { 1: { alignment: 'left' } } : {}) },
    drawHorizontalLine: (line, count) =>
      line <= 1 || line === count || (grouped && lines[line]?.[0] !== lines[line - 1]?.[0]),
  });
}
