import colors from 'picocolors';
import wrapAnsi from 'wrap-ansi';
import type { Severity } from '../judge/finding.js';

export interface Terminal {
  readonly columns: number;
  readonly color: boolean;
}

export type Paint = ReturnType<typeof colors.createColors>;

export function paintFor({ color }: Terminal): Paint {
  return colors.createColors(color);
}

/** Replaces control characters: the name of a role or database, or a statement, may contain some that move a terminal’s cursor. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '�');
}

/** Wraps, and indents every line. */
export function block(text: string, indent: number, { columns }: Terminal): string {
  const pad = ' '.repeat(indent);
  const wrapped = wrapAnsi(text, Math.max(20, columns - indent), { hard: true, trim: true });
  return wrapped
    .split('\n')
    .map((line) => `${pad}${line}`)
    .join('\n');
}

export const MARKS: Readonly<Record<Severity, string>> = { critical: '✗', warning: '!', info: 'i' };

export function severityPaint(paint: Paint, severity: Severity): (text: string) => string {
  return severity === 'critical' ? paint.red : severity === 'warning' ? paint.yellow : paint.cyan;
}
