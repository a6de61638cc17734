import * as Plot from '@observablehq/plot';
import { atEachWidth, type Markup } from '@tenure/doctor/internal';
import { type Bars, isOurs } from './report.js';

const BAR_HEIGHT = 26;
/** For the space of the names before the bars, and of the numbers at their ends. */
const PIXELS_PER_LETTER = 7;
const ROOM = 52;

/** A bar for each contender, with its figure at the end; Tenure's in full colour. */
export function barsPlot({ title, unit, bars }: Bars): Markup {
  const longest = Math.max(...bars.map(({ value }) => value).filter(Number.isFinite), 0);
  return atEachWidth({
    ariaLabel: `${title}, ${unit}: ${bars.map(({ name, value }) => `${name} ${rounded(value)}`).join(', ')}`,
    height: bars.length * BAR_HEIGHT + 8,
    marginLeft: Math.max(...bars.map(({ name }) => name.length)) * PIXELS_PER_LETTER + 8,
    marginRight: ROOM,
    marginTop: 4,
    marginBottom: 4,
    x: { axis: null, domain: [0, longest || 1] },
    y: { label: null, domain: bars.map(({ name }) => name), tickSize: 0 },
    marks: [
      Plot.barX(bars, {
        x: 'value',
        y: 'name',
        fill: ({ name }) => (isOurs(name) ? 'var(--work)' : 'var(--rest)'),
        insetTop: 2,
        insetBottom: 2,
      }),
      Plot.text(bars, {
        x: 'value',
        y: 'name',
        text: ({ value }) => rounded(value),
        dx: 5,
        textAnchor: 'start',
        fill: 'currentColor',
      }),
    ],
  });
}

function rounded(value: number): string {
  if (!Number.isFinite(value)) return 'n/a';
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}
