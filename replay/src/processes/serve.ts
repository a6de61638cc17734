import { type BirpcReturn, createBirpc } from 'birpc';

/**
 * The other end of `startChild`: offers `functions` to the main process. When the main process disconnects or has died, or on an
 * unexpected error here, `finish` runs and the process ends.
 */
export function serve<Local extends object, Remote extends object = object>(
  functions: Local,
  finish: () => unknown = () => {},
): BirpcReturn<Remote, Local> {
  let ending = false;
  const end = async (code: number) => {
    if (ending) return;
    ending = true;
    try {
      await finish();
    } catch (error) {
      console.error(error);
      process.exit(1);
    }
    process.exit(code);
  };
  process.on('disconnect', () => end(0));
  process.on('uncaughtException', async (error) => {
    console.error(error);
    await end(1);
  });
  return createBirpc<Remote, Local>(functions, {
    // An answer to a process that has just ended is lost, which is harmless.
    post: (message) => process.send?.(message, undefined, undefined, () => {}),
    on: (listener) => process.on('message', listener),
    timeout: -1,
  });
}
