import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type BirpcReturn, createBirpc } from 'birpc';

const KILL_AFTER_MS = 15_000;
const WORDS_KEPT = 4_000;

export interface Child<Remote extends object> {
  readonly call: BirpcReturn<Remote, object>;
  /** Never resolves; rejects when the process ends unexpectedly. */
  readonly died: Promise<never>;
  /** Ends it, and waits until it is gone. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts a process of the replay. It has a session of its own, so that Ctrl-C reaches only the main process. It ends when the
 * channel to the main process closes, so even `kill -9` of the main process leaves nothing behind.
 */
export function startChild<Remote extends object, Local extends object = object>(
  entry: URL,
  name: string,
  local: Local = {} as Local,
): Child<Remote> {
  const compiled = entry.pathname.endsWith('.js');
  const child = fork(fileURLToPath(entry), [], {
    detached: true,
    // Plain JavaScript needs none of the options that run TypeScript.
    ...(compiled ? { execArgv: [] } : {}),
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const call = createBirpc<Remote, Local>(local, {
    post: (message) => child.send(message, () => {}),
    on: (listener) => child.on('message', listener),
    timeout: -1,
  });
  const lastWords = keepLastWords(child);
  let stopping = false;

  const died = new Promise<never>((_, reject) => {
    const fail = (how: string) => {
      const error = new Error(`${name} ended ${how}.${said(lastWords())}`);
      if (!stopping) reject(error);
      call.$close(error);
    };
    child.once('error', (error) => fail(`with ${error.message}`));
    child.once('exit', (code, signal) => fail(signal ? `by ${signal}` : `with exit code ${code}`));
  });
  died.catch(() => {});

  const stop = async () => {
    stopping = true;
    if (hasEnded(child)) return;
    const gone = once(child, 'exit');
    if (child.connected) child.disconnect();
    const killer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    const [code] = await gone;
    clearTimeout(killer);
    if (code !== 0) throw new Error(`${name} did not end well.${said(lastWords())}`);
  };

  return { call, died, stop };
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function keepLastWords(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-WORDS_KEPT);
  });
  return () => words.trim();
}

function said(words: string): string {
  return words === '' ? '' : ` It had written:\n${words}`;
}
