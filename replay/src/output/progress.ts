import ora, { type Ora } from 'ora';

/** One line about the present step. A terminal shows it live; elsewhere each step is printed once. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #spinner: Ora;
  #step = '';

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream;
    // stdin stays as it is: in raw mode Ctrl-C would send no signal.
    this.#spinner = ora({ stream, discardStdin: false, isSilent: !stream.isTTY });
  }

  step(text: string): void {
    this.#step = text;
    if (this.#stream.isTTY) this.#spinner.start(text);
    else this.#stream.write(`${text}\n`);
  }

  detail(text: string): void {
    if (this.#stream.isTTY && this.#spinner.isSpinning) this.#spinner.text = `${this.#step}: ${text}`;
  }

  end(): void {
    this.#spinner.stop();
  }
}
