import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { colour, onThemeChange } from './theme.js';

export interface Series {
  readonly label: string;
  /** The name of its colour in the style sheet. */
  readonly colour: string;
  /** Whether the area below the line is filled. */
  readonly isArea?: boolean;
  readonly isDashed?: boolean;
  /** Whether each value holds until the next one. */
  readonly isStepped?: boolean;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  /** A description for readers who cannot see it, with the present values. */
  readonly label: string;
  /** Moments in seconds since 1970. */
  readonly moments: readonly number[];
  readonly series: readonly Series[];
  /** The moments at both ends. */
  readonly range: readonly [number, number];
  /** The axis reaches at least this value. */
  readonly atLeast: number;
  readonly format: (value: number) => string;
}

const HEIGHT = 180;

/** Lines and areas over time. */
export function Chart(props: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const root = element.current!;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsOf(root.clientWidth, () => latest.current),
        dataOf(latest.current),
        root,
      );
    };
    make();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: root.clientWidth, height: HEIGHT }));
    observer.observe(root);
    const stop = onThemeChange(make);
    return () => {
      stop();
      observer.disconnect();
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => plot.current?.setData(dataOf(props)));

  return <div class="chart" ref={element} role="img" aria-label={props.label} />;
}

function dataOf({ moments, series }: ChartProps): uPlot.AlignedData {
  return [moments, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
}

function optionsOf(width: number, props: () => ChartProps): uPlot.Options {
  const axis = { stroke: colour('soft'), font: `12px ${getComputedStyle(document.body).fontFamily}` };
  const grid = { stroke: colour('line'), width: 1 };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 30, 0, 0],
    scales: {
      x: { time: true, range: () => [...props().range] as uPlot.Range.MinMax },
      y: { range: (_, __, max) => [0, Math.max(props().atLeast, max ?? 0) * 1.08] },
    },
    axes: [
      { ...axis, grid: { show: false }, ticks: { ...grid, size: 4 }, size: 28, space: 80, values: timesOfDay },
      { ...axis, grid, ticks: { show: false }, size: 52, space: 36, values: (_, ticks) => ticks.map(props().format) },
    ],
    series: [{}, ...props().series.map(seriesOptions)],
  };
}

function seriesOptions({ colour: name, isArea, isDashed, isStepped }: Series): uPlot.Series {
  const line = colour(name);
  return {
    stroke: line,
    width: isDashed ? 1 : 1.5,
    points: { show: false },
    ...(isArea && { fill: `color-mix(in srgb, ${line} ${name === 'idle' ? 35 : 30}%, transparent)` }),
    ...(isDashed && { dash: [5, 4] }),
    ...(isStepped && { paths: uPlot.paths.stepped!({ align: 1 }) }),
  };
}

function timesOfDay(_: uPlot, ticks: number[]): string[] {
  return ticks.map((tick) => new Date(tick * 1_000).toLocaleTimeString('en-GB'));
}
