/* Draws docs/fleet.svg: connections of a simulated fleet against its budget. The same seed gives the same plot. */
import { writeFile } from 'node:fs/promises';
import * as Plot from '@observablehq/plot';
import { asFile } from '@tenure/doctor/internal';
import { Fleet } from '@tenure/test/fleet/fleet.js';

const TARGET = new URL('../../../docs/fleet.svg', import.meta.url);
const LIMIT = 40;
const CALLERS = 20;
/** Plot would draw a step for each event. The peak of each span of this length is enough. */
const SPAN_MS = 100;

interface Mark {
  readonly at: number;
  readonly text: string;
}

const fleet = new Fleet(7, { holdMs: 60, thinkMs: 5 });
const marks: Mark[] = [];
const happens = (text: string) => marks.push({ at: fleet.time.now / 1_000, text });
const join = (count: number) => {
  for (let joining = 0; joining < count; joining++) fleet.join({ budget: LIMIT }).callers = CALLERS;
};

join(6);
happens('6 processes');
await fleet.run(12_000);
join(6);
happens('6 more');
await fleet.run(14_000);
happens('all 12 are replaced, one a second');
for (const old of fleet.living) {
  join(1);
  await fleet.run(500);
  old.kill();
  await fleet.run(500);
}
await fleet.run(6_000);
happens('6 are killed');
for (const victim of fleet.living.slice(0, 6)) victim.kill();
await fleet.run(12_000);

// Extends both lines to the end of the picture, although nothing changed after the last event.
const [, slotsAtEnd, sessionsAtEnd] = fleet.history.at(-1)!;
const history = [...fleet.history, [fleet.time.now, slotsAtEnd, sessionsAtEnd] as const];
const points = new Map<number, { at: number; sessions: number; slots: number }>();
for (const [atMs, slots, sessions] of history) {
  const span = Math.floor(atMs / SPAN_MS);
  const known = points.get(span) ?? { at: (span * SPAN_MS) / 1_000, sessions: 0, slots: 0 };
  points.set(span, { at: known.at, sessions: Math.max(known.sessions, sessions), slots: Math.max(known.slots, slots) });
}
const svg = asFile({
  width: 900,
  height: 300,
  marginTop: 34,
  marginRight: 40,
  x: { label: 'seconds' },
  y: { label: 'connections', domain: [0, LIMIT + 15], grid: true },
  marks: [
    Plot.ruleY([LIMIT], { stroke: '#c33', strokeWidth: 1.5 }),
    Plot.lineY([...points.values()], { x: 'at', y: 'sessions', stroke: '#aaa', curve: 'step-after' }),
    Plot.lineY([...points.values()], { x: 'at', y: 'slots', stroke: '#26a', strokeWidth: 1.5, curve: 'step-after' }),
    Plot.ruleX(marks, { x: 'at', stroke: '#888', strokeDasharray: '3,3' }),
    Plot.text(marks, { x: 'at', y: LIMIT + 15, text: 'text', dx: 4, textAnchor: 'start', frameAnchor: 'top' }),
    Plot.text([{ at: 0 }], {
      x: 'at',
      y: LIMIT,
      text: () => `budget ${LIMIT}`,
      dx: 4,
      dy: -8,
      textAnchor: 'start',
      fill: '#c33',
    }),
  ],
});
await writeFile(TARGET, svg);
console.log(
  `peak: ${fleet.peak} slots of ${LIMIT}; ${Math.max(...fleet.history.map(([, , sessions]) => sessions))} sessions, processes that connect for the first time included`,
);
