/**
 * Something on this machine keeps a server, or the replay, from starting. Its message says what, why, and what to do, so that
 * it can be shown without a stack.
 */
export class CannotStartError extends Error {
  override readonly name = 'CannotStartError';

  /**
   * @param what what cannot be done, without a full stop
   * @param why the cause, and where one is known what to do; empty where `what` has it all
   * @param log what the program that failed has printed
   */
  constructor(what: string, why = '', log = '') {
    super(`${what}${why === '' ? '' : `: ${why}`}${log === '' ? '' : `\nIt printed:\n${lastLines(log)}`}`);
  }
}

const LINES_SHOWN = 20;

function lastLines(log: string): string {
  return log.trim().split('\n').slice(-LINES_SHOWN).join('\n');
}

const ELSEWHERE = 'TMPDIR=/another/folder before the command names another folder';

/** Patterns in what a program prints or in a system error's message; the first that matches says what to do. */
const CAUSES: readonly [RegExp, string][] = [
  [
    /shared memory segment.*No space left|resize shared memory/,
    'shared memory (/dev/shm) is full. In a container, --shm-size=256m gives it more.',
  ],
  [
    /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/,
    `no space is left on its disk. A server needs about 60 MB there, and 60 MB more where its programs must be copied. Free some; or ${ELSEWHERE}.`,
  ],
  [/Read-only file system|EROFS/, `its file system is read-only. ${ELSEWHERE}.`],
  [/ENOENT.*mkdtemp/, `it does not exist. Make it, or correct TMPDIR.`],
  [
    /chown: .*(Invalid argument|not permitted)|spawn.*(EINVAL|EPERM)/,
    'this process is root, PostgreSQL refuses to run as root, and the system does not let this process become another user. Run the command as an ordinary user.',
  ],
  [/EACCES|Permission denied/, `permission is denied. ${ELSEWHERE}.`],
  [
    /Cannot allocate memory|could not fork|Resource temporarily unavailable|ENOMEM|EAGAIN/,
    'the system has no memory or no processes left. Close what is not needed, or raise the limits (ulimit -u, --pids-limit).',
  ],
];

/**
 * The cause in plain words with what to do about it.
 *
 * @param unknown what to say where it is none of those that are known; default what the system said
 */
export function describeCause(error: unknown, unknown = messageOf(error)): string {
  const message = messageOf(error);
  return CAUSES.find(([pattern]) => pattern.test(message))?.[1] ?? unknown;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
