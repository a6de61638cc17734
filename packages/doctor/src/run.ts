import { readFile, writeFile } from 'node:fs/promises';
import { createLogUpdate } from 'log-update';
import colors from 'picocolors';
import { type Judgement, judge } from './judge/judge.js';
import { EXIT, type Options, parseOptions, USAGE, VERSION } from './options.js';
import { reportOf } from './print/report.js';
import { terminalReport } from './print/terminal.js';
import { RecordingError, readRecording, recordingText } from './sample/recording.js';
import type { Recording } from './sample/sample.js';
import { ConnectionFailure } from './server/failures.js';
import { askPassword } from './server/prompt.js';
import { watch } from './server/sampler.js';
import { type Target, targetOf, UsageError } from './server/target.js';
import { watchLive } from './watchLive.js';

const WIDEST = 120;
const DEFAULT_COLUMNS = 80;

const EXIT_OF = { healthy: EXIT.healthy, findings: EXIT.findings, 'cannot-tell': EXIT.cannotTell } as const;

/** Where a command runs. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  print(text: string): void;
  complain(text: string): void;
}

const PROCESS: Surroundings = {
  env: process.env,
  print: (text) => void process.stdout.write(text),
  complain: (text) => console.error(text),
};

/** Runs the command, and resolves to its exit code. */
export async function run(args: string[], around: Surroundings = PROCESS): Promise<number> {
  try {
    if (args[0] === 'advise') {
      // Loaded here, not at the top: it loads Tenure's core, which other commands do not need.
      const { runAdvise } = await import('./advise.js');
      return (await runAdvise(args.slice(1), around)) ? EXIT.findings : EXIT.healthy;
    }
    return await runOptions(parseOptions(args), around);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof RecordingError || error instanceof ConnectionFailure)) {
      throw error;
    }
    around.complain(error.message);
    return error instanceof ConnectionFailure ? EXIT.cannotTell : EXIT.wrongUse;
  }
}

async function runOptions(options: Options, around: Surroundings): Promise<number> {
  const { help, version, replay, watch, record } = options;
  if (help || version) {
    around.print(help ? USAGE : `${VERSION}\n`);
    return EXIT.healthy;
  }
  if (replay !== undefined) return present(judge(await readReplay(replay)), options, around);
  const target = targetOf(options.target, around.env);
  if (watch) return watchLive(target, options, around.print);
  const recording = await look(target, options, around);
  if (record !== undefined) await writeTo('--record', record, recordingText(recording));
  return present(judge(recording), options, around);
}

async function readReplay(file: string): Promise<Recording> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--replay ${file} cannot be read: ${error.message}`);
  });
  return readRecording(text);
}

/** Records the window. If the server refuses the doctor, the recording says that. */
async function look(target: Target, options: Options, { complain }: Surroundings): Promise<Recording> {
  const progress = new ProgressLine(target, options.seconds);
  try {
    return await watch(target, {
      seconds: options.seconds,
      reserved: options.reserved,
      askPassword: (user) => progress.giveWay(() => askPassword(user)),
      onChange: (recording) => progress.show(recording),
      another: (recording) => {
        const again = options.untilSure && !progress.secondWindow && judge(recording).unsettled;
        if (again) progress.again();
        return again;
      },
    });
  } catch (error) {
    if (!(error instanceof ConnectionFailure)) throw error;
    progress.end();
    complain(error.message);
    const refusal = { at: Date.now(), code: error.code, message: error.message };
    return { server: null, samples: [], refusals: [refusal], plans: null };
  } finally {
    progress.end();
  }
}

async function present(judgement: Judgement, { json, html }: Options, { print }: Surroundings): Promise<number> {
  if (html !== undefined) {
    // Loaded here, not at the top: drawing loads more modules than all the rest.
    const { reportPage } = await import('./print/page.js');
    await writeTo('--html', html, reportPage(judgement, new Date()));
  }
  if (json) print(`${JSON.stringify(reportOf(judgement), null, 2)}\n`);
  else print(terminalReport(judgement, { columns: columns(), color: colors.isColorSupported }));
  return EXIT_OF[judgement.verdict];
}

function columns(): number {
  // A terminal without a size reports 0.
  return Math.min(WIDEST, process.stdout.columns || DEFAULT_COLUMNS);
}

async function writeTo(flag: string, file: string, text: string): Promise<void> {
  await writeFile(file, text).catch((error: Error) => {
    throw new UsageError(`${flag} ${file} cannot be written: ${error.message}`);
  });
}

/** The remaining time, printed on a terminal only. */
class ProgressLine {
  secondWindow = false;
  readonly #line = createLogUpdate(process.stderr);
  readonly #target: Target;
  readonly #seconds: number;
  #endAt: number;
  #ended = false;

  constructor(target: Target, seconds: number) {
    this.#target = target;
    this.#seconds = seconds;
    this.#endAt = performance.now() + seconds * 1_000;
    this.#write('connecting');
  }

  again(): void {
    this.secondWindow = true;
    this.#endAt = performance.now() + this.#seconds * 1_000;
  }

  show({ samples, refusals }: Recording): void {
    const last = samples.at(-1);
    const refusal = refusals.at(-1);
    if (last && last.at >= (refusal?.at ?? 0)) this.#write(`${last.sessions.length} sessions`);
    else if (refusal) this.#write(refusal.message);
  }

  #write(what: string): void {
    if (!process.stderr.isTTY || this.#ended) return;
    const { host, port, database } = this.#target;
    const left = Math.max(0, Math.ceil((this.#endAt - performance.now()) / 1_000));
    const which = this.secondWindow ? 'second window, ' : '';
    this.#line(`Watching ${database} at ${host}:${port}: ${which}${left} s left · ${what}`);
  }

  /** Stops printing while a question is on the terminal. The time that a person takes to answer is not part of the window. */
  async giveWay<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    this.#clear();
    const begun = performance.now();
    const answer = await ask();
    this.#endAt += performance.now() - begun;
    return answer;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
  }

  #clear(): void {
    if (!process.stderr.isTTY) return;
    this.#line.clear();
    this.#line.done();
  }
}
