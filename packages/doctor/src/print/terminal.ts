import type { Finding } from '../judge/finding.js';
import type { Judgement } from '../judge/judge.js';
import { groupsTable } from './groupsTable.js';
import { reservations, setting, verdictSentence } from './sentences.js';
import { block, MARKS, type Paint, paintFor, printable, severityPaint, type Terminal } from './text.js';

/** The report as text. */
export function terminalReport(judgement: Judgement, terminal: Terminal): string {
  const paint = paintFor(terminal);
  const { verdict, findings, facts } = judgement;
  const verdictPaint = verdict === 'healthy' ? paint.green : verdict === 'findings' ? paint.red : paint.yellow;
  const parts = [
    block(printable(setting(judgement)), 0, terminal),
    block(verdictPaint(paint.bold(verdictSentence(judgement))), 0, terminal),
    ...findings.map((finding) => findingText(finding, terminal, paint)),
    groupsTable(facts.groups, terminal),
    reservations(judgement)
      .map((text) => block(paint.dim(printable(text)), 0, terminal))
      .join('\n'),
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function findingText({ id, severity, group, what, why, cause, fix }: Finding, terminal: Terminal, paint: Paint) {
  const color = severityPaint(paint, severity);
  const title = `${color(paint.bold(`${MARKS[severity]} ${severity}: ${id}`))}${group === null ? '' : paint.dim(`  ${printable(group)}`)}`;
  const labelled = (label: string, text: string) => (text === '' ? '' : `${paint.bold(label)} ${printable(text)}`);
  const lines = [
    printable(what),
    labelled('Why it matters:', why),
    labelled('Why it happens:', cause),
    labelled('To do:', fix),
  ];
  return [block(title, 0, terminal), ...lines.filter(Boolean).map((line) => block(line, 2, terminal))].join('\n');
}
