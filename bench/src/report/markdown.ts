import { targetLine } from '../figures/ratio.js';
import type { Report, Setting, Table } from './report.js';
import { settingLines } from './setting.js';

/** A report as Markdown: the tables, each under the command that prints it. */
export function markdown({ about, tables, targets }: Report, setting: Setting): string {
  const parts = [
    `\`\`\`sh\n${setting.command}\n\`\`\``,
    settingLines(setting).join('  \n'),
    ...about,
    ...tables.map((one) => `**${one.title}**\n\n${rowsOf(one)}`),
    ...(targets.length > 0 ? [targets.map((one) => `- ${targetLine(one)}`).join('\n')] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

function rowsOf({ head, rows }: Table): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
