import type { Phase } from '../src/protocol.js';
import type { Lane } from './history.js';

/** Close reasons that are part of a connection's normal life. */
const PLANNED = ['max-age', 'max-uses', 'idle', 'overflow', 'invalidated', 'closing', 'budget'];
/** A connection that one caller holds for longer is drawn as held. */
const HELD_MS = 1_000;

export function isPlanned(reason: string): boolean {
  return PLANNED.includes(reason);
}

/** The lanes that are visible in this time, oldest at the top. */
export function lanesIn(lanes: Iterable<Lane>, from: number): Lane[] {
  return [...lanes]
    .filter(({ end }) => !end || end.t >= from)
    .sort((one, other) => one.born - other.born || one.id - other.id);
}

/** A painted part of a lane: its time and the name of its colour. */
export interface Spell {
  readonly from: number;
  readonly to: number;
  readonly colour: 'opening' | 'idle' | 'busy' | 'held' | 'check' | 'reset';
}

const COLOURS = {
  o: 'opening',
  i: 'idle',
  u: 'busy',
  h: 'busy',
  c: 'check',
  r: 'reset',
  x: 'idle',
} as const satisfies Record<Phase, Spell['colour']>;

/** The phases of a connection, one after the other. */
export function spellsOf({ born, end, phases }: Lane, now: number): Spell[] {
  const last = end?.t ?? now;
  const first = phases[0]?.[0] ?? last;
  // Its phases before the first look at it are unknown.
  const unknown = { from: born, to: first, colour: 'idle' } as const;
  const spells = phases.map(([from, phase], index): Spell => {
    const to = Math.max(from, phases[index + 1]?.[0] ?? last);
    return { from, to, colour: phase === 'h' && to - from >= HELD_MS ? 'held' : COLOURS[phase] };
  });
  return [unknown, ...spells].filter(({ from, to }) => to > from);
}
