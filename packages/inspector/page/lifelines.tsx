import { useEffect, useRef, useState } from 'preact/hooks';
import { draw, rowHeightFor } from './drawLanes.js';
import { duration, plural, time } from './format.js';
import type { History, Lane } from './history.js';
import { lanesIn } from './spells.js';
import { colour, onThemeChange } from './theme.js';

const KEYS = [
  ['busy', 'in use'],
  ['held', 'held by one caller for a second or longer'],
  ['idle', 'idle'],
  ['opening', 'opening'],
  ['check', 'check'],
  ['reset', 'reset'],
  ['soft', 'closed as planned'],
  ['fault', 'closed by a fault'],
] as const;

/** One lane for each connection, from its birth to its end. */
export function Lifelines({ history, windowMs }: { history: History; windowMs: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [selected, select] = useState<number>();
  const [, redraw] = useState(0);
  const to = history.t;
  const from = to - windowMs;
  const lanes = lanesIn(history.lanes.values(), from);
  const rowHeight = rowHeightFor(lanes.length);
  const height = Math.max(1, lanes.length) * rowHeight;

  useEffect(() => onThemeChange(() => redraw((count) => count + 1)), []);
  useEffect(() => {
    const observer = new ResizeObserver(() => redraw((count) => count + 1));
    observer.observe(canvas.current!.parentElement!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = canvas.current!;
    const width = element.clientWidth;
    const ratio = devicePixelRatio;
    element.width = width * ratio;
    element.height = height * ratio;
    element.style.height = `${height}px`;
    const context = element.getContext('2d')!;
    context.scale(ratio, ratio);
    draw(context, { width, height, lanes, rowHeight, from, to, selected, colour });
  });

  const row = lanes.findIndex(({ id }) => id === selected);
  const selectRow = (index: number) => select(lanes[Math.max(0, Math.min(lanes.length - 1, index))]?.id);
  const onPointer = (event: PointerEvent) => selectRow(Math.floor(event.offsetY / rowHeight));
  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') selectRow(row + 1);
    else if (event.key === 'ArrowUp') selectRow(row < 0 ? lanes.length - 1 : row - 1);
    else if (event.key === 'Escape') select(undefined);
    else return;
    event.preventDefault();
  };
  const ended = lanes.filter(({ end }) => end).length;
  const about = `${plural(lanes.length, 'connection')} in this time, ${ended} of them closed`;
  return (
    <section aria-labelledby="lifelines">
      <h2 id="lifelines">Connection lifelines</h2>
      <p class="about">One lane for each connection. {about}. Point at a lane, or use the arrow keys.</p>
      <div class="lanes">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={`Connection lifelines: ${about}. The arrow keys move through them.`}
          data-lanes={lanes.length}
          onPointerMove={onPointer}
          onPointerDown={onPointer}
          onPointerLeave={() => select(undefined)}
          onKeyDown={onKey}
        />
      </div>
      <p class="lane-text" aria-live="polite">
        {row >= 0 ? lifeOf(lanes[row]!, history) : ' '}
      </p>
      <ul class="keys">
        {KEYS.map(([name, text]) => (
          <li key={name}>
            <i class={`swatch ${name}`} /> {text}
          </li>
        ))}
      </ul>
    </section>
  );
}

function lifeOf({ id, pid, born, uses, checks, resets, end }: Lane, { t, startedAt }: History): string {
  const name = pid === undefined ? `Connection ${id}` : `Backend ${pid}`;
  const counts = `${plural(uses, 'use')}, ${plural(checks, 'check')}, ${plural(resets, 'reset')}`;
  const age = duration((end?.t ?? t) - born);
  const fate = end ? `closed at ${time(startedAt + end.t)} after ${age}: ${end.reason}` : `open for ${age}`;
  return `${name}: opened at ${time(startedAt + born)}, ${counts}, ${fate}.`;
}
