import { count } from '../judge/format.js';
import { type Group, groupsOf } from '../judge/groups.js';
import { type Life, livesOf } from '../judge/lives.js';
import type { Refusal, Sample, ServerFacts } from '../sample/sample.js';
import { groupsTable, shortened } from './groupsTable.js';
import { type Paint, paintFor, printable, type Terminal } from './text.js';

/** Births and deaths a second are counted over this time. */
const RATE_MS = 5_000;
const NAME_WIDTH = 18;
const WORKED = '█';
const IDLE = '░';
const BAR = { full: '█', empty: '·' };

export interface Screen extends Terminal {
  readonly rows: number;
}

export interface Scene {
  readonly server: ServerFacts | null;
  readonly samples: readonly Sample[];
  readonly refusals: readonly Refusal[];
}

/** One picture of the live view, with at most as many lines as the screen. */
export function liveView({ server, samples, refusals }: Scene, screen: Screen): string {
  const paint = paintFor(screen);
  const last = samples.at(-1);
  if (!server || !last) return `${refusals.at(-1)?.message ?? 'Connecting …'}\n`;
  const { lives } = livesOf(samples);
  const groups = groupsOf(samples, lives);
  const top = [
    shortened(printable(`PostgreSQL ${server.version}, ${server.database}, as ${server.role}`), screen.columns),
    slotsLine(last, server, screen, paint),
    ratesLine(lives, samples),
    ...(refusals.length > 0 ? [paint.red(shortened(refusals.at(-1)!.message, screen.columns))] : []),
    '',
    ...groupsTable(groups, screen).split('\n'),
    '',
  ];
  const room = Math.max(0, screen.rows - top.length - 3);
  return [...top, ...lifelines(lives, groups, samples, screen, room, paint)].join('\n');
}

function slotsLine({ sessions }: Sample, server: ServerFacts, { columns }: Screen, paint: Paint): string {
  const limit = Math.max(1, server.maxConnections - server.reservedConnections);
  const label = ` ${sessions.length} of ${limit}`;
  const width = Math.max(10, Math.min(60, columns - label.length - 2));
  const filled = Math.min(width, Math.round((width * sessions.length) / limit));
  const color =
    sessions.length >= 0.97 * limit ? paint.red : sessions.length >= 0.85 * limit ? paint.yellow : paint.green;
  return color(BAR.full.repeat(filled)) + paint.dim(BAR.empty.repeat(width - filled)) + label;
}

function ratesLine(lives: readonly Life[], samples: readonly Sample[]): string {
  const to = samples.at(-1)!.at;
  const from = Math.max(to - RATE_MS, samples[0]!.at);
  const seconds = Math.max(0.2, (to - from) / 1_000);
  const births = lives.filter(({ born, bornAt }) => born && bornAt > from).length;
  const deaths = lives.filter(({ died, lastSeen }) => died && lastSeen >= from).length;
  return `${count(births / seconds)} opened and ${count(deaths / seconds)} ended a second, over ${count(seconds)} s`;
}

/** One line for each backend, oldest first, with one sign for each second: worked, idle, absent. */
function lifelines(
  lives: readonly Life[],
  groups: readonly Group[],
  samples: readonly Sample[],
  { columns }: Screen,
  room: number,
  paint: Paint,
): string[] {
  const to = samples.at(-1)!.at;
  const width = Math.max(10, Math.min(60, columns - NAME_WIDTH - 10));
  const alive = lives.filter(({ lastSeen }) => lastSeen > to - width * 1_000).sort((a, b) => a.bornAt - b.bornAt);
  const shown = alive.slice(0, room);
  const lines = shown.map((life) => {
    const name = groups.find((group) => group.lives.includes(life))?.name ?? '';
    const head = `${String(life.pid).padStart(8)} ${shortened(printable(name), NAME_WIDTH).padEnd(NAME_WIDTH)} `;
    const signs = Array.from({ length: width }, (_, second) => sign(life, to - (width - second) * 1_000));
    return head + paint.blue(signs.join(''));
  });
  const more = alive.length - shown.length;
  return more > 0 ? [...lines, paint.dim(`… and ${more} more backends`)] : lines;
}

function sign({ firstSeen, bornAt, born, lastSeen, worked }: Life, from: number): string {
  const to = from + 1_000;
  const begun = born ? bornAt : firstSeen;
  if (begun >= to || lastSeen < from) return ' ';
  return worked.some((span) => span.from < to && span.to > from) ? WORKED : IDLE;
}
