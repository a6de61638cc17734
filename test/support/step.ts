import { CannotStartError, describeCause } from './cannotStart.js';

const SLOW_AFTER_MS = 2_000;
/** Far more than any step needs on a slow machine, and little enough to end a hang within half a minute. */
const LIMIT_MS = 25_000;

/** Called every two seconds while a step takes longer than that. */
export type OnSlow = (text: string) => void;

export const showOnStderr: OnSlow = (text) => console.error(text);

/**
 * Waits for one step of a start. Reports a step that takes longer than two seconds, and gives up after 25 s, or `limitMs`.
 *
 * @throws CannotStartError when the step fails, or its time is up
 */
export async function step<Result>(
  name: string,
  onSlow: OnSlow,
  work: Promise<Result>,
  limitMs = LIMIT_MS,
): Promise<Result> {
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1_000);
  let giveUp!: (error: Error) => void;
  const timeIsUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const ticker = setInterval(() => onSlow(`${name}: ${seconds()} s …`), SLOW_AFTER_MS);
  const timer = setTimeout(() => {
    const why = `it has not ended after ${seconds()} s. Is the machine, or the disk of its temporary folder, overloaded?`;
    giveUp(new CannotStartError(name, why));
  }, limitMs);
  try {
    return await Promise.race([work, timeIsUp]);
  } catch (error) {
    if (error instanceof CannotStartError) throw error;
    throw new CannotStartError(`${name} failed`, describeCause(error), '', { cause: error });
  } finally {
    clearInterval(ticker);
    clearTimeout(timer);
  }
}
