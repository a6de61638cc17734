import Table from 'cli-table3';
import { count, duration } from '../judge/format.js';
import type { Group } from '../judge/groups.js';
import { paintFor, printable, type Terminal } from './text.js';

const MOST_GROUPS = 12;
const WIDE_FROM = 110;
const LEAST_NAME = 12;

/** The columns, for the terminal and the page; the narrow table leaves the states out. */
export const GROUP_COLUMNS: readonly { title: string; wide?: true; of: (group: Group) => string }[] = [
  { title: 'mean', of: ({ mean }) => count(mean) },
  { title: 'peak', of: ({ peak }) => count(peak) },
  { title: 'active', wide: true, of: stateCount('active') },
  { title: 'idle', wide: true, of: stateCount('idle') },
  { title: 'in tx', wide: true, of: stateCount('idle in transaction', 'idle in transaction (aborted)') },
  { title: 'opened', of: ({ births }) => count(births.length) },
  { title: 'ended', of: ({ deaths }) => count(deaths.length) },
  { title: 'never used', of: ({ unused, hidden }) => (hidden ? '?' : count(unused)) },
  { title: 'life', of: ({ medianLifeMs }) => (medianLifeMs === null ? '–' : duration(medianLifeMs)) },
];

function stateCount(...states: string[]) {
  return (group: Group) => {
    if (group.hidden) return '?';
    return count(states.reduce((sum, state) => sum + (group.states[state] ?? 0), 0));
  };
}

export function groupsTable(groups: readonly Group[], terminal: Terminal): string {
  if (groups.length === 0) return '';
  const paint = paintFor(terminal);
  const columns = GROUP_COLUMNS.filter(({ wide }) => !wide || terminal.columns >= WIDE_FROM);
  const shown = groups.slice(0, MOST_GROUPS);
  const cells = shown.map((group) => columns.map(({ of }) => of(group)));
  const widths = columns.map(({ title }, column) => Math.max(title.length, ...cells.map((row) => row[column]!.length)));
  // A cell has a blank on either side, and there is one more between cells.
  const taken = widths.reduce((sum, width) => sum + width + 3, 2);
  const nameWidth = Math.max(LEAST_NAME, terminal.columns - taken);
  const table = new Table({
    head: ['sessions of', ...columns.map(({ title }) => title)].map((title) => paint.bold(title)),
    colAligns: ['left', ...columns.map(() => 'right' as const)],
    style: { head: [], border: [], compact: true },
    chars: BORDERS,
  });
  for (const [index, group] of shown.entries()) {
    table.push([shortened(printable(group.name), nameWidth), ...cells[index]!]);
  }
  const more = groups.length - MOST_GROUPS;
  return table.toString() + (more > 0 ? `\n… and ${more} smaller groups` : '');
}

export function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

const BORDERS = {
  top: '─',
  'top-mid': '─',
  'top-left': '',
  'top-right': '',
  bottom: '─',
  'bottom-mid': '─',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '─',
  'mid-mid': '─',
  right: '',
  'right-mid': '',
  middle: ' ',
};
