/** The longest delay that a Node timer can hold; a longer one would fire after 1 ms. */
export const LONGEST_MS = 2 ** 31 - 1;
export const LONGEST = '24.8 days, the most that a timer can hold';

/** A value, or why it is refused. */
export type Reading<T> = { readonly value: T } | { readonly refused: string };

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SYNTAX = /^(?<whole>\d+)(?:\.(?<part>\d+))?(?<unit>ms|s|m|h)?$/;

/** Reads `500ms`, `1.5s`, `5m`, `2h`, or a bare number of seconds (Django's habit), as whole milliseconds. */
export function parseDuration(text: string): Reading<number> {
  const groups = SYNTAX.exec(text)?.groups;
  if (groups === undefined) return { refused: 'not a duration; write 30 or 30s for 30 seconds, 500ms, 5m or 2h' };
  const { whole = '', part = '', unit = 's' } = groups;
  // Computed in whole numbers: 1.001 * 1000 is 1000.9999999999999.
  const scaled = BigInt(whole + part) * BigInt(UNITS[unit as keyof typeof UNITS]);
  const scale = 10n ** BigInt(part.length);
  if (scaled > BigInt(LONGEST_MS) * scale) return { refused: `at most ${LONGEST}` };
  if (scaled % scale !== 0n) return { refused: 'not a whole number of milliseconds' };
  return { value: Number(scaled / scale) };
}

/** `30 min`, `500 ms`, `1 s`, `2 h`: in the largest unit that leaves no fraction. */
export function formatDuration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'none';
  if (ms > 0 && ms % UNITS.h === 0) return `${ms / UNITS.h} h`;
  if (ms > 0 && ms % UNITS.m === 0) return `${ms / UNITS.m} min`;
  if (ms > 0 && ms % UNITS.s === 0) return `${ms / UNITS.s} s`;
  return `${ms} ms`;
}
