/** So many statements, at least, are prepared again before that is judged. */
const SAMPLE = 100;
/** Preparing one costs about a fifth of what a use of it saves. Fewer uses than this, each, are not worth the trouble. */
const LEAST_USES = 2;

/**
 * Whether it pays to prepare statements again after a change. It does not where changes come faster than uses, as with a setting for each query,
 * or a temporary table for each request.
 */
export class Payback {
  #preparedAgain = 0;
  #uses = 0;

  preparedAgain(): void {
    this.#preparedAgain++;
  }

  used(): void {
    this.#uses++;
  }

  /** Something has changed again. `undefined` while there is too little to judge by. */
  judge(): 'pays' | 'does not pay' | undefined {
    if (this.#preparedAgain < SAMPLE) return undefined;
    const pays = this.#uses >= LEAST_USES * this.#preparedAgain;
    this.#preparedAgain = 0;
    this.#uses = 0;
    return pays ? 'pays' : 'does not pay';
  }
}
