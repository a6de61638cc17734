import * as Plot from '@observablehq/plot';
import { atEachWidth, FULL_WIDTHS, HEIGHT, WIDTHS } from './draw.js';
import { html, type Markup } from './html.js';

/** Share of its row that a bar fills; the rest is the gap to the next. */
const BAR_SHARE = 0.8;
const THINNEST_BAR = 1.5;
const AXES = {
  marginLeft: 48,
  marginBottom: 36,
};

/** One backend, in seconds since the beginning. */
export interface Lifeline {
  pid: number;
  bornAt: number;
  lastSeenAt: number;
  /** Stretches in which it worked, as far as the samples show. */
  worked: { from: number; to: number }[];
}

export interface Trace {
  samples: { at: number; connections: number }[];
  lifelines: Lifeline[];
}

export interface Scales {
  /** The most connections that are possible, and the name of that limit. */
  limit: number;
  limitName: string;
  /** The same for all plots of a page, so that they can be compared. */
  seconds: number;
}

/** One line for each trace, and the limit as a line. */
export function connectionsPlot(
  traces: readonly Trace[],
  { limit, limitName, seconds }: Scales,
  label: string,
): Markup {
  const points = traces.flatMap(({ samples }, pass) => samples.map((sample) => ({ ...sample, pass })));
  return atEachWidth({
    ...AXES,
    ariaLabel: label,
    x: { domain: [0, seconds], label: 'seconds' },
    y: { domain: [0, limit * 1.15], label: null, ticks: 5 },
    marks: [
      Plot.gridY({ ticks: 5, stroke: 'var(--grid)', strokeOpacity: 1 }),
      Plot.areaY(
        points.filter(({ pass }) => pass === 0),
        { x: 'at', y: 'connections', fill: 'var(--work)', fillOpacity: 0.15, curve: 'step-after' },
      ),
      Plot.lineY(points, {
        x: 'at',
        y: 'connections',
        z: 'pass',
        stroke: 'var(--work)',
        strokeWidth: 1.5,
        curve: 'step-after',
      }),
      ...limitMarks({ limit, limitName, seconds }),
      Plot.ruleY([0], { stroke: 'var(--axis)' }),
    ],
  });
}

/** The line of the limit, and its name. */
function limitMarks({ limit, limitName, seconds }: Scales): Plot.Markish[] {
  return [
    Plot.ruleY([limit], { stroke: 'var(--limit)', strokeWidth: 1.5, strokeDasharray: '5 4' }),
    Plot.text([`${limitName} ${limit}`], {
      x: seconds,
      y: limit,
      dy: -5,
      textAnchor: 'end',
      lineAnchor: 'bottom',
      fill: 'var(--limit)',
      // The line of the connections crosses the label when the server is full.
      stroke: 'var(--card)',
      strokeWidth: 5,
    }),
  ];
}

/** One line of a comparison. */
export interface Compared {
  readonly name: string;
  readonly samples: Trace['samples'];
  /** Drawn strong: the contender that the page is about. */
  readonly isMarked: boolean;
}

/** All contenders in one picture, and the key to their colours. */
export function comparisonPlot(compared: readonly Compared[], scales: Scales, label: string): Markup {
  const colours = coloursOf(compared);
  const lines = compared.map(({ samples, isMarked }, index) =>
    Plot.lineY(samples, {
      x: 'at',
      y: 'connections',
      stroke: colours[index]!,
      strokeWidth: isMarked ? 3 : 1.5,
      curve: 'step-after',
    }),
  );
  const drawn = atEachWidth(
    {
      ...AXES,
      ariaLabel: label,
      x: { domain: [0, scales.seconds], label: 'seconds' },
      y: { domain: [0, scales.limit * 1.15], label: null, ticks: 5 },
      marks: [
        Plot.gridY({ ticks: 5, stroke: 'var(--grid)', strokeOpacity: 1 }),
        ...lines,
        ...limitMarks(scales),
        Plot.ruleY([0], { stroke: 'var(--axis)' }),
      ],
    },
    FULL_WIDTHS,
  );
  const keys = compared.map(
    ({ name, isMarked }, index) =>
      html`<li class="${isMarked ? 'marked' : ''}" style="--line: ${colours[index]!}">${name}</li>`,
  );
  return html`${drawn}<ul class="key">${keys}</ul>`;
}

/** A colour for each line: one palette for the marked ones, one for the others. */
function coloursOf(compared: readonly Compared[]): string[] {
  const used = { marked: 0, other: 0 };
  return compared.map(({ isMarked }) => (isMarked ? `var(--marked-${++used.marked})` : `var(--other-${++used.other})`));
}

/** One bar for each backend, from birth to end, strong where it worked. The rows shrink as their number grows, so that all are visible. */
export function lifelinesPlot({ lifelines }: Trace, { seconds }: Scales, label: string): Markup {
  const rows = Math.max(lifelines.length, 1);
  const thick = Math.max(BAR_SHARE, (rows * THINNEST_BAR) / HEIGHT);
  const narrowest = (seconds * THINNEST_BAR) / WIDTHS.narrow;
  const bars = lifelines.map(({ bornAt, lastSeenAt }, row) => ({ row, from: bornAt, to: lastSeenAt }));
  const worked = lifelines.flatMap((line, row) => line.worked.map((span) => ({ row, ...span })));
  const mark = (spans: typeof bars, fill: string) =>
    Plot.rect(
      spans.map(({ row, from, to }) => ({ from, to: Math.max(to, from + narrowest), top: row, bottom: row + thick })),
      { x1: 'from', x2: 'to', y1: 'top', y2: 'bottom', fill },
    );
  return atEachWidth({
    ...AXES,
    ariaLabel: label,
    x: { domain: [0, seconds], label: 'seconds' },
    y: { domain: [rows, 0], label: null, ticks: 5 },
    marks: [mark(bars, 'var(--rest)'), mark(worked, 'var(--work)')],
  });
}
