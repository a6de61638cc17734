import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, LONGEST_MS, parseDuration } from '../../../packages/core/src/policy/durations.js';

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['0.0', 0],
    ['0ms', 0],
    ['5', 5_000],
    ['007', 7_000],
    ['0.5', 500],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1.5h', 5_400_000],
    ['1.50s', 1_500],
    ['1.001', 1_001], // in floating point 1000.9999999999999
    ['0.001s', 1],
    ['0.00025h', 900],
    ['2147483647ms', LONGEST_MS],
    ['2147483.647', LONGEST_MS],
    ['596h', 2_145_600_000],
  ])('reads %s as %d ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ value: ms });
  });

  it.each([
    '',
    ' ',
    's',
    '.5s',
    '5.s',
    '1.2.3',
    '-1',
    '+1',
    '-0',
    '1e3',
    '0x10',
    '1_000',
    '1,5',
    '30 s',
    ' 30s',
    '30s\n',
    '30S',
    '5M',
    '30min',
    '1d',
    '1h30m',
    'none',
    'Infinity',
    'NaN',
    '٣',
  ])('refuses %j and shows how durations are written', (text) => {
    expect(parseDuration(text)).toEqual({ refused: expect.stringContaining('write 30 or 30s for 30 seconds, 500ms') });
  });

  it.each(['0.0001s', '1.5ms', '0.0005', '0.00000001h'])(
    'refuses %s, which is no whole number of milliseconds',
    (text) => {
      expect(parseDuration(text)).toEqual({ refused: 'not a whole number of milliseconds' });
    },
  );

  it.each(['2147483648ms', '2147483.6471', '597h', '36000m', '9'.repeat(400), `${'9'.repeat(400)}.5h`])(
    'refuses %s, which no timer can hold',
    (text) => {
      expect(parseDuration(text)).toEqual({ refused: 'at most 24.8 days, the most that a timer can hold' });
    },
  );
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [1, '1 ms'],
    [500, '500 ms'],
    [1_000, '1 s'],
    [1_500, '1500 ms'],
    [30_000, '30 s'],
    [90_000, '90 s'],
    [120_000, '2 min'],
    [1_800_000, '30 min'],
    [5_400_000, '90 min'],
    [7_200_000, '2 h'],
    [LONGEST_MS, '2147483647 ms'],
    [Number.POSITIVE_INFINITY, 'none'],
  ])('writes %d as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('loses nothing: written as a variable and read again, a duration is the same', () => {
    const units = fc.constantFrom(1, 1_000, 60_000, 3_600_000);
    const durations = fc.tuple(units, fc.nat(LONGEST_MS)).map(([unit, count]) => (count * unit) % (LONGEST_MS + 1));
    fc.assert(
      fc.property(durations, (ms) => {
        const text = formatDuration(ms).replace(' ', '').replace('min', 'm');
        expect(parseDuration(text)).toEqual({ value: ms });
      }),
    );
  });
});
