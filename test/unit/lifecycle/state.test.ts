import { describe, expect, it } from 'vitest';
import { CLOSE_REASONS, type ConnectionKind, transition } from '../../../packages/core/src/lifecycle/state.js';
import { STATES } from './states.js';

/** The states that may follow each state. All others are impossible. */
const ALLOWED: Record<ConnectionKind, readonly ConnectionKind[]> = {
  opening: ['idle', 'checking', 'used', 'closing', 'closed'],
  idle: ['checking', 'used', 'returning', 'closing'],
  checking: ['idle', 'used', 'closing'],
  // A returned connection goes to a caller in line without being idle in between.
  used: ['idle', 'used', 'returning', 'closing'],
  returning: ['idle', 'used', 'returning', 'closing'],
  closing: ['closed'],
  closed: [],
};

const rows = STATES.flatMap((from) =>
  STATES.map((to) => ({ from, to, allowed: ALLOWED[from.kind].includes(to.kind) })),
);
const named = rows.map((row) => ({ ...row, name: `${JSON.stringify(row.from)} to ${JSON.stringify(row.to)}` }));

describe('a transition', () => {
  it.each(named.filter(({ allowed }) => allowed))('leads on: $name', ({ from, to }) => {
    expect(transition(from, to)).toBe(to);
  });

  it.each(named.filter(({ allowed }) => !allowed))('is refused, and named: $name', ({ from, to }) => {
    const reason = to.kind === 'closing' ? `.*${to.reason}` : '';
    expect(() => transition(from, to)).toThrow(new RegExp(`that is ${from.kind} cannot become ${to.kind}${reason}`));
  });

  it('has each reason once', () => {
    expect(new Set(CLOSE_REASONS).size).toBe(CLOSE_REASONS.length);
  });
});
