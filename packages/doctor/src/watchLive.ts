import logUpdate from 'log-update';
import colors from 'picocolors';
import { EXIT, type Options } from './options.js';
import { liveView, type Screen } from './print/liveView.js';
import type { Recording } from './sample/sample.js';
import { askPassword } from './server/prompt.js';
import { watch } from './server/sampler.js';
import { type Target, UsageError } from './server/target.js';

const DRAW_EVERY_MS = 500;
/** The lifelines show no more. */
const KEEP_MS = 65_000;
const DEFAULT_SCREEN = { columns: 80, rows: 40 };

/** `--watch`: a picture twice a second until `q`; with `--once` one picture, for scripts. */
export async function watchLive(
  target: Target,
  { once, seconds, reserved }: Options,
  print: (text: string) => void,
): Promise<number> {
  if (!once && !process.stdout.isTTY) throw new UsageError('--watch needs a terminal; --once prints one picture.');
  const screen = new LiveScreen();
  try {
    const recording = await watch(target, {
      seconds: once ? seconds : Infinity,
      reserved,
      askPassword,
      keepMs: KEEP_MS,
      signal: screen.signal,
      ...(once ? {} : { onChange: (seen: Recording) => screen.draw(seen) }),
    });
    if (once) print(`${liveView(recording, screenSize())}\n`);
    return recording.samples.length > 0 ? EXIT.healthy : EXIT.cannotTell;
  } finally {
    screen.end();
  }
}

function screenSize(): Screen {
  const { columns, rows } = process.stdout;
  // A terminal without a size reports 0.
  return {
    columns: columns || DEFAULT_SCREEN.columns,
    rows: rows || DEFAULT_SCREEN.rows,
    color: colors.isColorSupported,
  };
}

/** The screen of the live view, and the keys that end it. */
class LiveScreen {
  readonly #quit = new AbortController();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #begun = false;

  get signal(): AbortSignal {
    return this.#quit.signal;
  }

  draw(recording: Recording): void {
    if (this.signal.aborted || performance.now() - this.#drawnAt < DRAW_EVERY_MS) return;
    // The screen begins with the first sample: until then a password may be asked for on the same terminal.
    if (!this.#begun) this.#begin();
    this.#drawnAt = performance.now();
    logUpdate(`${liveView(recording, screenSize())}\nq ends`);
  }

  #begin(): void {
    this.#begun = true;
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode(true);
    stdin.on('data', this.#onKey);
  }

  #onKey = (key: Buffer): void => {
    if (['q', 'Q', '\u0003', '\u0004'].includes(key.toString())) this.#quit.abort();
  };

  end(): void {
    if (!this.#begun) return;
    this.#begun = false;
    const { stdin } = process;
    logUpdate.done();
    stdin.off('data', this.#onKey);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  }
}
