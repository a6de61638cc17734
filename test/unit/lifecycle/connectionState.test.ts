import { describe, expect, it } from 'vitest';
import {
  type ConnectionEvent,
  type ConnectionKind,
  type ConnectionState,
  RETIRE_REASONS,
  transition,
} from '../../../packages/core/src/lifecycle/state.js';

const STATES: ConnectionState[] = [
  { kind: 'opening' },
  { kind: 'idle' },
  { kind: 'checking' },
  { kind: 'used' },
  { kind: 'returning' },
  { kind: 'closing', reason: 'idle' },
  { kind: 'closed' },
];
const PLAIN_EVENTS = ['opened', 'taken', 'returned', 'tidying', 'checking', 'ready', 'gone'] as const;

/** Where each event leads from each state. What is not listed cannot happen. */
const ALLOWED: Record<ConnectionKind, Partial<Record<(typeof PLAIN_EVENTS)[number] | 'retire', ConnectionKind>>> = {
  opening: { opened: 'idle', gone: 'closed' },
  idle: { taken: 'used', tidying: 'returning', checking: 'checking', retire: 'closing' },
  checking: { ready: 'idle', retire: 'closing' },
  used: { returned: 'idle', tidying: 'returning', retire: 'closing' },
  returning: { ready: 'idle', retire: 'closing' },
  closing: { gone: 'closed' },
  closed: {},
};

const rows = STATES.flatMap((state) => [
  ...PLAIN_EVENTS.map((event) => ({ state, event: event as ConnectionEvent, next: ALLOWED[state.kind][event] })),
  ...RETIRE_REASONS.map((retire) => ({ state, event: { retire }, next: ALLOWED[state.kind].retire })),
]);
const named = rows.map((row) => ({ ...row, name: `${row.state.kind}, ${JSON.stringify(row.event)}` }));

describe('a transition', () => {
  it.each(named.filter(({ next }) => next))('leads on: $name → $next', ({ state, event, next }) => {
    expect(transition(state, event).kind).toBe(next);
  });

  it.each(named.filter(({ next }) => !next))('is refused, and named: $name', ({ state, event }) => {
    const what = typeof event === 'string' ? event : event.retire;
    expect(() => transition(state, event)).toThrow(new RegExp(`that is ${state.kind} cannot be .*${what}`));
  });

  it.each(RETIRE_REASONS)('keeps the reason of a retirement: %s', (reason) => {
    expect(transition({ kind: 'used' }, { retire: reason })).toEqual({ kind: 'closing', reason });
  });

  it('has a row for every state and every event', () => {
    expect(rows).toHaveLength(STATES.length * (PLAIN_EVENTS.length + RETIRE_REASONS.length));
    expect(new Set(RETIRE_REASONS).size).toBe(RETIRE_REASONS.length);
  });

  it('allocates nothing on the warm path', () => {
    const used = transition({ kind: 'idle' }, 'taken');
    const idle = transition(used, 'returned');
    expect(transition(idle, 'taken')).toBe(used);
    expect(transition(used, 'returned')).toBe(idle);
  });
});
