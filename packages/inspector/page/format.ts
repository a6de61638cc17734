const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

export function count(value: number): string {
  return whole.format(value);
}

/** At most three digits, since the figures change all the time. */
export function rough(value: number): string {
  return value >= 100 ? whole.format(value) : short.format(value);
}

export function duration(ms: number): string {
  if (ms < 1) return ms === 0 ? '0 ms' : `${short.format(Math.round(ms * 1_000) / 1_000)} ms`;
  if (ms < 1_000) return `${rough(ms)} ms`;
  if (ms < 60_000) return `${short.format(ms / 1_000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function percent(share: number): string {
  // 99.97 % must not be shown as 100 %.
  const rounded = share < 1 ? Math.min(share * 100, 99.99) : 100;
  return `${rounded >= 99 ? Math.floor(rounded * 100 + 1e-6) / 100 : short.format(rounded)} %`;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function time(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB');
}
