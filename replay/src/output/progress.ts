import ora, { type Ora } from 'ora';

/** One line that says what goes on. In a terminal it is kept up to date; elsewhere each step is printed once. */
export class ProgressLine {
  readonly #terminal = process.stdout.isTTY === true;
  readonly #spinner: Ora;
  #step = '';

  constructor() {
    // Not on stdin: in raw mode Ctrl-C would be no signal.
    this.#spinner = ora({ stream: process.stdout, discardStdin: false, isSilent: !this.#terminal });
  }

  step(text: string): void {
    this.#step = text;
    if (this.#terminal) this.#spinner.start(text);
    else console.log(text);
  }

  detail(text: string): void {
    if (this.#terminal && this.#spinner.isSpinning) this.#spinner.text = `${this.#step}: ${text}`;
  }

  end(): void {
    this.#spinner.stop();
  }
}
