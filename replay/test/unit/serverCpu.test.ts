import { expect, test } from 'vitest';
import { parseStat } from '../../src/watch/procCpu.js';
import { parsePs } from '../../src/watch/psCpu.js';

test('reads /proc/PID/stat, whatever the name of the process holds', () => {
  const stat = '812 (postgres: (a) b) S 800 800 800 0 -1 4194560 5 6 7 8 21 4 300 50 20 0 1 0 99 1000 2';
  expect(parseStat(stat)).toEqual({ parent: 800, own: 25, endedChildren: 350 });
});

test('a process that has just ended counts nothing', () => {
  expect(parseStat('')).toEqual({ parent: 0, own: 0, endedChildren: 0 });
});

test('reads what ps says on macOS and on Linux', () => {
  expect(parsePs('  612     1   0:03.25\n 613   612  01:02:03\n 614 612 1-00:00:01\n')).toEqual([
    { pid: 612, parent: 1, ms: 3_250 },
    { pid: 613, parent: 612, ms: 3_723_000 },
    { pid: 614, parent: 612, ms: 86_401_000 },
  ]);
});
