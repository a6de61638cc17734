import { parseArgs } from 'node:util';
import { UsageError } from './server/target.js';

export interface Options {
  readonly help: boolean;
  readonly version: boolean;
  /** A URL, `key=value` pairs or the name of a database; undefined for the `PG*` variables. */
  readonly target: string | undefined;
  readonly seconds: number;
  readonly untilSure: boolean;
  readonly json: boolean;
  readonly html: string | undefined;
  readonly record: string | undefined;
  readonly replay: string | undefined;
  readonly watch: boolean;
  readonly once: boolean;
  readonly reserved: boolean;
}

const DEFAULT_SECONDS = 10;
/** The window of `--once`: long enough for rates. */
const ONCE_SECONDS = 2;
const LEAST_SECONDS = 2;
const MOST_SECONDS = 3_600;

/** Codes from 64 on are those of BSD's sysexits. */
export const EXIT = { healthy: 0, findings: 1, cannotTell: 2, wrongUse: 64, ownFault: 70 } as const;

/** The version in package.json. */
export const VERSION = '0.1.0';

export const USAGE = `Looks at a PostgreSQL server for ten seconds and says what is wrong with the connections of its apps.

  npx @tenure/doctor "$DATABASE_URL" [options]
  npx @tenure/doctor advise "$DATABASE_URL" --processes N    what MAX_CONNS should be (advise --help)

The argument is a URL, "host=… dbname=…", or the name of a database, as for psql. Without it, the PG* variables say
where to connect. It takes one connection, reads only, and changes nothing.

  --seconds N      how long to watch: ${LEAST_SECONDS} to ${MOST_SECONDS}, ${DEFAULT_SECONDS} by default
  --until-sure     watch for as long again if the first window leaves a question open
  --json           print the report as JSON
  --html FILE      also write the report as a page
  --record FILE    also write what was seen to a file, for --replay
  --replay FILE    judge a recording, without a server
  --watch          show the sessions live; q ends it
  --once           with --watch: print one picture and end
  --reserved       use a slot that is reserved for superusers if no other is free
  --help           this text
  --version        the version

The exit code is ${EXIT.healthy} for healthy, ${EXIT.findings} for findings, ${EXIT.cannotTell} when it cannot tell, ${EXIT.wrongUse} for wrong use.
`;

/** @throws {UsageError} */
export function parseOptions(args: string[]): Options {
  const { values, positionals } = parse(args);
  const [target, ...more] = positionals;
  if (more.length > 0) throw new UsageError('Give one URL. A URL with & or ? in it needs quotes in a shell.');
  const once = values.once ?? false;
  const options: Options = {
    help: values.help ?? false,
    version: values.version ?? false,
    target,
    seconds: secondsOf(values.seconds, once ? ONCE_SECONDS : DEFAULT_SECONDS),
    untilSure: values['until-sure'] ?? false,
    json: values.json ?? false,
    html: values.html,
    record: values.record,
    replay: values.replay,
    watch: values.watch ?? false,
    once,
    reserved: values.reserved ?? false,
  };
  refuseContradictions(options);
  return options;
}

/** The flags, as docs/doctor.md lists them. */
export const FLAGS = {
  seconds: { type: 'string' },
  'until-sure': { type: 'boolean' },
  json: { type: 'boolean' },
  html: { type: 'string' },
  record: { type: 'string' },
  replay: { type: 'string' },
  watch: { type: 'boolean' },
  once: { type: 'boolean' },
  reserved: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

function parse(args: string[]) {
  try {
    return parseArgs({ args, allowPositionals: true, options: FLAGS });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
}

function secondsOf(text: string | undefined, byDefault: number): number {
  if (text === undefined) return byDefault;
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds;
  throw new UsageError(`--seconds “${text}” is not a number from ${LEAST_SECONDS} to ${MOST_SECONDS}.`);
}

function refuseContradictions({ target, replay, record, watch, once, json, html, untilSure }: Options): void {
  if (replay !== undefined && target !== undefined) throw new UsageError('--replay judges a file: leave the URL out.');
  if (replay !== undefined && (watch || untilSure || record !== undefined)) {
    throw new UsageError('--replay goes with --json and --html only.');
  }
  if (watch && (json || untilSure || html !== undefined || record !== undefined)) {
    throw new UsageError(
      '--watch shows the sessions and judges nothing: it goes with --once, --seconds and --reserved only.',
    );
  }
  if (once && !watch) throw new UsageError('--once goes with --watch.');
}
