import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CLOSE_REASONS } from '../../../packages/core/src/lifecycle/state.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import { Counters, takeStats } from '../../../packages/core/src/pool/stats.js';

const text = readFileSync(new URL('../../../docs/observability.md', import.meta.url), 'utf8');

const CONTEXT = {
  poolName: 'orders',
  serverAddress: 'db.example',
  serverPort: 5432,
  database: 'shop',
  used: 0,
  idle: 0,
  opening: 0,
  busy: 0,
  waiting: 0,
  max: 10,
};
const BUDGET = { limit: 40, slots: 0, guests: 0, hungry: false, members: null };
const STATEMENTS = { state: 'on', hits: 0, prepared: 0, evicted: 0, invalidated: 0, unprepared: {} } as const;
const WAITED = { p50: 0, p99: 0, max: 0 };
const PIPELINED = { state: 'on', queries: 0, share: 0, deepest: 0, waitedBehindMs: WAITED, again: 0 } as const;

it('docs/observability.md has each field of stats()', () => {
  const stats = takeStats(CONTEXT, new Counters(), parsePolicy({}), {
    owners: 1,
    pooler: 'none',
    budget: BUDGET,
    statements: STATEMENTS,
    pipelined: PIPELINED,
  });
  const names = [stats, BUDGET, STATEMENTS, PIPELINED, stats.waitMs].flatMap(Object.keys);
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

it('docs/observability.md has each close reason', () => {
  expect(CLOSE_REASONS.filter((reason) => !text.includes(`\`${reason}\``))).toEqual([]);
});

it('docs/observability.md has each channel, and no other', () => {
  const source = readFileSync(new URL('../../../packages/core/src/pool/channels.ts', import.meta.url), 'utf8');
  const channelsIn = (written: string) => new Set(written.match(/tenure:\w+:\w+/g));
  expect(channelsIn(source).size).toBe(10);
  expect([...channelsIn(text)].sort()).toEqual([...channelsIn(source)].sort());
});

it('docs/observability.md has each event', () => {
  const source = readFileSync(new URL('../../../packages/core/src/pool/events.ts', import.meta.url), 'utf8');
  const events = Array.from(source.matchAll(/^ {2}(\w+): \[/gm), ([, name]) => name!);
  expect(events.length).toBeGreaterThanOrEqual(8);
  expect(events.filter((name) => !text.includes(`| \`${name}\` |`))).toEqual([]);
});
