import { isGrouped, type Report, type Setting, type Table } from './report.js';
import { settingLines } from './setting.js';

/**
 * A report as Markdown: the tables, under the command that prints them. The targets are left out, because they are for those who
 * work on Tenure; the terminal prints them.
 */
export function markdown({ about, tables }: Report, setting: Setting): string {
  const parts = [
    `\`\`\`sh\n${setting.command}\n\`\`\``,
    settingLines(setting).join('  \n'),
    ...about,
    ...tables.map((one) => `**${one.title}**\n\n${rowsOf(one)}`),
  ];
  return `${parts.join('\n\n')}\n`;
}

function rowsOf(table: Table): string {
  const { head, rows } = table;
  const names = isGrouped(table) ? 2 : 1;
  const rule = head.map((_, column) => (column < names ? '---' : '---:'));
  return [head, rule, ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
