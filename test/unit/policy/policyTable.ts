import { formatDuration, LONGEST_MS } from '../../../packages/core/src/policy/durations.js';
import { POLICY_KEYS, POLICY_OPTIONS, type PolicyOption } from '../../../packages/core/src/policy/options.js';

const START = '<!-- policy:start -->';
const END = '<!-- policy:end -->';

/** The README's table of the policy, in Markdown. */
function policyTable(): string {
  const rows = POLICY_KEYS.map((key) => {
    const option = POLICY_OPTIONS[key];
    return [`\`${key}\``, `\`${option.env}\``, defaultOf(option), meaningOf(option), zeroOf(option), noneOf(option)];
  });
  const head = ['key', 'environment', 'default', 'meaning', '`0`', '`none`'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The text with the table between its two marks renewed. */
export function withPolicyTable(text: string): string {
  const start = text.indexOf(START);
  const end = text.indexOf(END);
  if (start === -1 || end < start) throw new Error(`There is no ${START} … ${END} to hold the table.`);
  return `${text.slice(0, start)}${START}\n${policyTable()}\n${text.slice(end)}`;
}

function defaultOf({ kind, default: value }: PolicyOption): string {
  if (typeof value === 'object') return `= \`${value.sameAs}\``;
  if (value === Number.POSITIVE_INFINITY) return 'none';
  return kind === 'duration' ? formatDuration(value as number) : String(value);
}

function meaningOf(option: PolicyOption): string {
  return `${option.meaning}${mostOf(option)}${option.later ? ' (not acted on yet)' : ''}`;
}

function mostOf(option: PolicyOption): string {
  if (option.kind === 'share') return `; at most ${option.largest}`;
  if (option.kind !== 'duration' || option.largest === LONGEST_MS) return '';
  return `; at most ${formatDuration(option.largest)}`;
}

function zeroOf(option: PolicyOption): string {
  if (option.kind === 'flag') return 'as `false`';
  if (option.kind === 'choice') return 'refused';
  return option.smallest > 0 ? `refused: ${option.zero}` : option.zero;
}

function noneOf(option: PolicyOption): string {
  if (option.kind === 'choice') return 'a choice';
  if (option.kind === 'flag' || option.none === undefined) return 'refused';
  return option.auto === undefined ? option.none : `${option.none} (\`auto\`: ${option.auto})`;
}
