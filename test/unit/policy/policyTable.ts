import { formatDuration, LONGEST_MS } from '../../../packages/core/src/policy/durations.js';
import { POLICY_KEYS, POLICY_OPTIONS, type PolicyOption } from '../../../packages/core/src/policy/options.js';
import type { PolicyKey } from '../../../packages/core/src/policy/policy.js';

/** The tables of docs/settings.md, by how often an app needs their settings. */
const TIERS = ['start', 'often', 'rarely'] as const;
type Tier = (typeof TIERS)[number];

const TIER_OF: Readonly<Record<PolicyKey, Tier>> = {
  maxConnections: 'start',
  reuseConnections: 'start',
  maxAgeMs: 'start',
  acquireTimeoutMs: 'start',
  healthChecks: 'start',
  reset: 'start',
  minConnections: 'often',
  idleTimeoutMs: 'often',
  connectTimeoutMs: 'often',
  maxWaiting: 'often',
  leakAfterMs: 'often',
  statements: 'often',
  writable: 'often',
  share: 'often',
  maxAgeJitter: 'rarely',
  maxUses: 'rarely',
  healthBypassMs: 'rarely',
  healthTimeoutMs: 'rarely',
  keepaliveMs: 'rarely',
  inFlightCheckMs: 'rarely',
  statementsForWrites: 'rarely',
  prepareThreshold: 'rarely',
  pipeline: 'rarely',
  pooler: 'rarely',
  exitOnIdle: 'rarely',
  retryReads: 'rarely',
  budget: 'often',
  budgetName: 'rarely',
  budgetStrict: 'rarely',
  budgetLeash: 'rarely',
};

/** The text with the table of each tier, between its two marks, renewed. */
export function withPolicyTables(text: string): string {
  return TIERS.reduce(withTable, text);
}

function withTable(text: string, tier: Tier): string {
  const [before, after] = [`<!-- ${tier}:start -->`, `<!-- ${tier}:end -->`];
  const [from, to] = [text.indexOf(before), text.indexOf(after)];
  if (from === -1 || to < from) throw new Error(`There is no ${before} … ${after} to hold the table.`);
  return `${text.slice(0, from)}${before}\n${tableOf(tier)}\n${text.slice(to)}`;
}

function tableOf(tier: Tier): string {
  const keys = POLICY_KEYS.filter((key) => TIER_OF[key] === tier);
  const rows = keys.map((key) => {
    const option = POLICY_OPTIONS[key];
    return [`\`${option.env}\``, `\`${key}\``, defaultOf(option), meaningOf(option), zeroOf(option), noneOf(option)];
  });
  const head = ['environment', 'in code', 'default', 'meaning', '`0`', '`none`'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function defaultOf(option: PolicyOption): string {
  if (option.kind === 'name') return option.defaultMeans;
  const { kind, default: value } = option;
  if (typeof value === 'object') return `= \`${value.sameAs}\``;
  if (value === Number.POSITIVE_INFINITY) return 'none';
  return kind === 'duration' ? formatDuration(value as number) : String(value);
}

function meaningOf(option: PolicyOption): string {
  return `${option.meaning}${mostOf(option)}`;
}

function mostOf(option: PolicyOption): string {
  if (option.kind === 'share') return `; at most ${option.largest}`;
  if (option.kind !== 'duration' || option.largest === LONGEST_MS) return '';
  return `; at most ${formatDuration(option.largest)}`;
}

function zeroOf(option: PolicyOption): string {
  if (option.kind === 'flag') return 'as `false`';
  if (option.kind === 'choice') return 'refused';
  if (option.kind === 'name') return 'a name';
  return option.smallest > 0 ? `refused: ${option.zero}` : option.zero;
}

function noneOf(option: PolicyOption): string {
  if (option.kind === 'choice') return option.choices.includes('none') ? 'a choice' : 'refused';
  if (option.kind === 'name') return 'a name';
  if (option.kind === 'flag' || option.none === undefined) return 'refused';
  return option.auto === undefined ? option.none : `${option.none} (\`auto\`: ${option.auto})`;
}
