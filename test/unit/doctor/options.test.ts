import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT, FLAGS, parseOptions, USAGE, VERSION } from '../../../packages/doctor/src/options.js';
import { UsageError } from '../../../packages/doctor/src/server/target.js';

describe('options', () => {
  it('have defaults', () => {
    expect(parseOptions(['postgres://db'])).toMatchObject({
      target: 'postgres://db',
      seconds: 10,
      json: false,
      reserved: false,
    });
    expect(parseOptions([])).toMatchObject({ target: undefined });
    expect(parseOptions(['--watch', '--once']).seconds).toBe(2);
    expect(parseOptions(['--seconds', '2.5']).seconds).toBe(2.5);
  });

  it.each([
    [['--seconds', '1'], '--seconds “1” is not a number from 2 to 3600.'],
    [['--seconds', 'ten'], '--seconds “ten” is not a number from 2 to 3600.'],
    [['--seconds', ''], '--seconds “” is not a number from 2 to 3600.'],
    [['--secnods', '1'], "Unknown option '--secnods'. Try --help."],
    [['--html'], "Option '--html <value>' argument missing. Try --help."],
    [['a', 'b'], 'Give one URL. A URL with & or ? in it needs quotes in a shell.'],
    [['a', '--replay', 'f'], '--replay judges a file: leave the URL out.'],
    [['--replay', 'f', '--watch'], '--replay goes with --json and --html only.'],
    [['--watch', '--json'], /^--watch shows the sessions and judges nothing/],
    [['--once'], '--once goes with --watch.'],
  ])('%j is refused: %s', (args, message) => {
    expect(() => parseOptions(args)).toThrow(UsageError);
    expect(() => parseOptions(args)).toThrow(message);
  });

  it('are all in the usage text, as are the exit codes', () => {
    for (const flag of Object.keys(FLAGS)) expect(USAGE).toContain(`--${flag}`);
    for (const code of [EXIT.healthy, EXIT.findings, EXIT.cannotTell, EXIT.wrongUse])
      expect(USAGE).toContain(` ${code} `);
  });

  it('has the version of the package', () => {
    const path = new URL('../../../packages/doctor/package.json', import.meta.url);
    expect(JSON.parse(readFileSync(path, 'utf8')).version).toBe(VERSION);
  });
});
