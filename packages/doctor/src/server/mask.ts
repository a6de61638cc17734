const LONGEST = 120;

/** The tokens of a statement, as far as literals must be separated from the rest. A token that is cut off ends with the text. */
const TOKENS = new RegExp(
  [
    String.raw`(?<comment>/\*[\s\S]*?(?:\*/|$)|--[^\n]*)`,
    String.raw`(?<literal>\$(?<tag>[A-Za-z_]\w*)?\$[\s\S]*?(?:\$\k<tag>\$|$)|[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$)|(?<!\$)\b\d[\w.]*)`,
    String.raw`"(?:[^"]|"")*(?:"|$)|[A-Za-z_][\w$]*|\$\d+`,
  ].join('|'),
  'g',
);

/** A statement without its literals and comments, which may contain secrets. */
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
