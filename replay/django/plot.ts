import { writeFile } from 'node:fs/promises';
import * as Plot from '@observablehq/plot';
import { asFile } from '@tenure/doctor/internal';
import type { Sessions } from './measure.js';

const TARGET = new URL('../../docs/incident.svg', import.meta.url);
/** PostgreSQL's default. */
const MAX_CONNECTIONS = 100;
const COLORS = ['#c33', '#d80', '#86a', '#26a', '#2a6'];

/** Draws the connections of each scenario over time, and the server's limit, for docs/incident.md. */
export async function drawPlot(lines: readonly { title: string; sessions: readonly Sessions[] }[]): Promise<void> {
  const points = lines.flatMap(({ title, sessions }) => sessions.map((seen) => ({ title, ...seen })));
  const limit = [{ at: 0, text: `max_connections ${MAX_CONNECTIONS}` }];
  const svg = asFile({
    width: 960,
    height: 340,
    marginRight: 320,
    x: { label: 'seconds' },
    y: { label: 'connections', domain: [0, MAX_CONNECTIONS + 8], grid: true },
    color: { domain: lines.map(({ title }) => title), range: COLORS },
    marks: [
      Plot.ruleY([MAX_CONNECTIONS], { stroke: '#c33', strokeWidth: 1.5, strokeDasharray: '4,3' }),
      Plot.text(limit, { x: 'at', y: MAX_CONNECTIONS, text: 'text', dx: 4, dy: -8, textAnchor: 'start', fill: '#c33' }),
      Plot.lineY(points, { x: 'at', y: 'count', stroke: 'title', strokeWidth: 1.5 }),
      ...lines.map(({ title }, index) => {
        const place = { frameAnchor: 'top-right', textAnchor: 'start', dx: 14, dy: index * 20 } as const;
        return Plot.text([title], { ...place, text: (name) => name, fill: COLORS[index]! });
      }),
    ],
  });
  await writeFile(TARGET, svg);
}
