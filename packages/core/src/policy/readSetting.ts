import { formatDuration, LONGEST, LONGEST_MS, parseDuration, type Reading } from './durations.js';
import type { NumberOption, PolicyOption } from './options.js';
import type { PolicyValue } from './policy.js';

type SettingReading = Reading<PolicyValue>;

/** PostgreSQL's spellings. */
const FLAGS = new Map(
  Object.entries({ true: true, on: true, yes: true, 1: true, false: false, off: false, no: false, 0: false }),
);

/** Reads a variable. */
export function readText(option: PolicyOption, text: string): SettingReading {
  const trimmed = text.trim();
  if (trimmed === '') return { refused: 'empty; give it a value, or unset it' };
  const named = wordsOf(option).get(trimmed.toLowerCase()) ?? flagOf(option, trimmed);
  if (named !== undefined) return { value: named };
  if (option.kind === 'flag') return { refused: 'true or false (also on/off, yes/no, 1/0)' };
  if (option.kind === 'choice') return { refused: oneOf(option.choices) };
  const reading = option.kind === 'duration' ? readDuration(option, trimmed) : readNumber(option, trimmed);
  return 'refused' in reading ? reading : inRange(option, reading.value);
}

/** Reads a value that code gave: an argument, or a host's setting translated to Tenure's units. */
export function readValue(option: PolicyOption, value: unknown): SettingReading {
  if (option.kind === 'flag') return typeof value === 'boolean' ? { value } : { refused: `true or false${not(value)}` };
  const named = typeof value === 'string' ? wordsOf(option).get(value) : undefined;
  if (named !== undefined) return { value: named };
  if (option.kind === 'choice') return { refused: oneOf(option.choices) };
  if (value === Number.POSITIVE_INFINITY && option.none !== undefined) return { value };
  if (typeof value !== 'number' || Number.isNaN(value))
    return { refused: wanted(option) + meant(option, value) + not(value) };
  if (option.kind !== 'share' && Number.isFinite(value) && !Number.isInteger(value)) return { refused: wanted(option) };
  return inRange(option, value === 0 ? 0 : value); // never -0
}

/** The words that an option takes beside numbers, for the end of a sentence: `; none = no limit`. */
export function wordsHint(option: PolicyOption): string {
  if (!isNumeric(option)) return '';
  const { none, auto } = option;
  return `${none === undefined ? '' : `; none = ${none}`}${auto === undefined ? '' : `; auto = ${auto}`}`;
}

function wordsOf(option: PolicyOption): ReadonlyMap<string, PolicyValue> {
  if (option.kind === 'choice') return new Map(option.choices.map((choice) => [choice, choice as PolicyValue]));
  const words = new Map<string, PolicyValue>();
  if (isNumeric(option) && option.none !== undefined) words.set('none', Number.POSITIVE_INFINITY);
  if (isNumeric(option) && option.auto !== undefined) words.set('auto', 'auto');
  return words;
}

function flagOf(option: PolicyOption, text: string): boolean | undefined {
  return option.kind === 'flag' ? FLAGS.get(text.toLowerCase()) : undefined;
}

function readDuration(option: NumberOption, text: string): Reading<number> {
  const reading = parseDuration(text);
  const wantsUnit = typeof option.default === 'number' && option.default < 1_000;
  if (!wantsUnit || !/^[\d.]+$/.test(text) || ('value' in reading && reading.value === 0)) return reading;
  const likely = text.includes('.') ? `${text}s` : `${text}ms`;
  return { refused: `wants a unit: ${text} alone would mean ${text} s; is ${likely} meant?` };
}

function readNumber(option: NumberOption, text: string): Reading<number> {
  const syntax = option.kind === 'count' ? /^\d+$/ : /^\d+(\.\d+)?$/;
  return syntax.test(text) ? { value: Number(text) } : { refused: wanted(option) };
}

function inRange(option: NumberOption, value: number): SettingReading {
  const { smallest, largest, zero } = option;
  if (value >= smallest && value <= largest) return { value };
  if (value === 0) return { refused: `0 is refused: ${zero}` };
  return { refused: `from ${shown(option, smallest)} to ${shown(option, largest)}` };
}

function shown({ kind }: NumberOption, value: number): string {
  if (kind !== 'duration') return String(value);
  return value === LONGEST_MS ? LONGEST : formatDuration(value);
}

function wanted({ kind, smallest, largest }: NumberOption): string {
  if (kind === 'duration') return 'milliseconds as a whole number';
  return kind === 'count' ? 'a whole number' : `a number from ${smallest} to ${largest}`;
}

/** `30s` in code: the number that was meant. */
function meant({ kind }: NumberOption, value: unknown): string {
  const reading = kind === 'duration' && typeof value === 'string' ? parseDuration(value) : undefined;
  return reading !== undefined && 'value' in reading ? ` (${reading.value})` : '';
}

function not(value: unknown): string {
  if (value === null || Number.isNaN(value)) return `, not ${value}`;
  return typeof value === 'object' ? ', not an object' : `, not a ${typeof value}`;
}

function oneOf(choices: readonly string[]): string {
  return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function isNumeric(option: PolicyOption): option is NumberOption {
  return option.kind !== 'flag' && option.kind !== 'choice';
}
