/** Numbers for people. A missing figure is `n/a`. */

const NONE = 'n/a';
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function count(value: number): string {
  return whole.format(value);
}

/** Small figures have a decimal, since 1.4 would otherwise become 1. */
export function rough(value: number): string {
  return value < 100 && !Number.isInteger(value) ? tenths.format(value) : whole.format(value);
}

/** Rounds neither a few to 0 % nor almost all to 100 %. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return NONE;
  const value = (100 * part) / whole;
  if (part === 0) return '0 %';
  if (part === whole) return '100 %';
  if (value < 0.1) return '< 0.1 %';
  if (value > 99.9) return '> 99.9 %';
  return `${tenths.format(value)} %`;
}

export function milliseconds(ms: number | null): string {
  return ms === null ? NONE : `${rough(ms)} ms`;
}

export function seconds(ms: number | null): string {
  return ms === null ? NONE : `${tenths.format(ms / 1_000)} s`;
}
