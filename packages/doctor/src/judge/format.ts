/** The blank between a number and its unit, so that no line ends there. */
const NO_BREAK = '\u00a0';

/** 1234.5 → "1,235"; below 10 one decimal. */
export function count(value: number): string {
  const rounded = Math.abs(value) < 10 ? Math.round(value * 10) / 10 : Math.round(value);
  return rounded.toLocaleString('en-US');
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 1 ? `under 1${NO_BREAK}%` : `${Math.round(value)}${NO_BREAK}%`;
}

/** 90_000 → "90 s"; 200_000 → "3.3 min". */
export function duration(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 1) return `${Math.round(ms)}${NO_BREAK}ms`;
  if (seconds < 120) return `${count(seconds)}${NO_BREAK}s`;
  if (seconds < 7_200) return `${count(seconds / 60)}${NO_BREAK}min`;
  return `${count(seconds / 3_600)}${NO_BREAK}h`;
}

export function plural(number: number, one: string, many = `${one}s`): string {
  const said = count(number);
  return `${said} ${said === '1' ? one : many}`;
}

/** Rounds a figure for people to read. */
export function round(value: number, digits = 2): number {
  const factor = 10 ** digits;
  return Math.round(value * factor) / factor;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
