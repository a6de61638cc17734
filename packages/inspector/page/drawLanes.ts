import type { Lane } from './history.js';
import { isPlanned, spellsOf } from './spells.js';

const GAP = 2;

export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly Lane[];
  readonly rowHeight: number;
  readonly from: number;
  readonly to: number;
  readonly selected: number | undefined;
  /** The colour of this name. */
  colour(name: string): string;
}

/** The fewer connections, the taller their lanes. */
export function rowHeightFor(count: number): number {
  return Math.max(4, Math.min(18, Math.floor(360 / Math.max(1, count))));
}

export function draw(context: CanvasRenderingContext2D, drawing: Drawing): void {
  const { width, height, lanes, rowHeight } = drawing;
  context.clearRect(0, 0, width, height);
  for (const [row, lane] of lanes.entries()) drawLane(context, drawing, lane, row * rowHeight);
}

function drawLane(context: CanvasRenderingContext2D, drawing: Drawing, lane: Lane, y: number): void {
  const { from, to, width, rowHeight, colour, selected } = drawing;
  const x = (t: number) => ((Math.max(from, Math.min(to, t)) - from) / (to - from)) * width;
  const height = rowHeight - (rowHeight > 6 ? GAP : 1);
  const fill = (name: string, left: number, right: number, top = y, tall = height) => {
    context.fillStyle = colour(name);
    context.fillRect(left, top, Math.max(1, right - left), tall);
  };
  if (lane.id === selected) fill('selected', 0, width, y - 1, rowHeight);
  // At least as wide as a mark: a life may be shorter than a pixel.
  fill('idle', x(lane.born), Math.max(x(lane.end?.t ?? to), x(lane.born) + 2));
  for (const { from: begin, to: finish, colour: name } of spellsOf(lane, to)) {
    if (finish > from) fill(name, x(begin), x(finish));
  }
  for (const [t, mark] of lane.marks) {
    // Half as tall as the lane, because a busy connection has many marks.
    if (t >= from) fill(mark === 'c' ? 'check' : 'reset', x(t) - 1, x(t) + 1, y + height / 2, height / 2);
  }
  if (lane.born > from) fill('ink', x(lane.born), x(lane.born) + 1.5);
  if (lane.end) fill(isPlanned(lane.end.reason) ? 'soft' : 'fault', x(lane.end.t) - 2.5, x(lane.end.t), y, height);
}
