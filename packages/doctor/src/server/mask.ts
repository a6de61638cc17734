const LONGEST = 120;

/** A statement without its literals and comments, which may hold what nobody else is meant to see. */
export function masked(statement: string): string {
  const text = statement
    .replaceAll(/\/\*[\s\S]*?(\*\/|$)/g, ' ')
    .replaceAll(/--[^\n]*/g, ' ')
    .replaceAll(/\$(\w*)\$[\s\S]*?(\$\1\$|$)/g, '?')
    .replaceAll(/\b[eE]'(?:[^'\\]|''|\\.)*('|$)/g, '?')
    .replaceAll(/\b[bBxXnN]?'(?:[^']|'')*('|$)/g, '?')
    .replaceAll(/'(?:[^']|'')*('|$)/g, '?')
    .replaceAll(/(?<![\w$."])\d+(\.\d+)?/g, '?')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
