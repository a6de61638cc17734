const LONGEST = 120;

/** What a statement is made of, as far as literals must be told from the rest; one that is cut off ends with the text. */
const TOKENS = new RegExp(
  [
    String.raw`(?<comment>/\*[\s\S]*?(?:\*/|$)|--[^\n]*)`,
    String.raw`(?<literal>\$(?<tag>[A-Za-z_]\w*)?\$[\s\S]*?(?:\$\k<tag>\$|$)|[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$)|(?<!\$)\b\d[\w.]*)`,
    String.raw`"(?:[^"]|"")*(?:"|$)|[A-Za-z_][\w$]*|\$\d+`,
  ].join('|'),
  'g',
);

/** A statement without its literals and comments, which may hold what nobody else is meant to see. */
export function masked(statement: string): string {
  const text = statement
    .replaceAll(TOKENS, (token, ...rest) => {
      const { comment, literal } = rest.at(-1) as { comment?: string; literal?: string };
      if (comment !== undefined) return ' ';
      return literal === undefined ? token : '?';
    })
    .replaceAll(/\s+/g, ' ')
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
