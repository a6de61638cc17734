import { tmpdir } from 'node:os';

/**
 * A condition of this machine stops a server, or the replay, from starting. The message says what, why, and what to do, so it can
 * be shown without a stack.
 */
export class CannotStartError extends Error {
  override readonly name = 'CannotStartError';

  /**
   * @param what what cannot be done, without a full stop
   * @param why the cause, and what to do if that is known; empty if `what` says it all
   * @param log the output of the program that failed
   */
  constructor(what: string, why = '', log = '', options?: ErrorOptions) {
    const printed = log.trim() === '' ? '' : `\nIt printed:\n${lastLines(log)}`;
    super(`${what}${why === '' ? '' : `: ${why}`}${printed}`, options);
  }
}

const LINES_SHOWN = 20;

function lastLines(log: string): string {
  return log.trim().split('\n').slice(-LINES_SHOWN).join('\n');
}

const ELSEWHERE = 'Another folder is used where TMPDIR names it: TMPDIR=/var/tmp npx -y pnpm@12 …';

/** Patterns in a program's output or in a system error's message. The first that matches gives the cause and what to do. */
const CAUSES: readonly [RegExp, (folder: string, elsewhere: string) => string][] = [
  [
    /shared memory segment.*No space left|resize shared memory/,
    () => 'shared memory (/dev/shm) is full. In a container, --shm-size=256m gives it more.',
  ],
  [
    /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/,
    (folder, elsewhere) =>
      `no space is left in ${folder}. A server needs about 60 MB there, and 60 MB more where its programs must be copied. Free some. ${elsewhere}`,
  ],
  [/Read-only file system|EROFS/, (folder, elsewhere) => `${folder} is read-only. ${elsewhere}`],
  [/mkdir: .*No such file/, (folder) => `${folder} does not exist. Make it, or correct TMPDIR.`],
  [/ENETUNREACH|EADDRNOTAVAIL/, () => 'the loopback interface is down. Bring it up: ip link set lo up'],
  [
    /chown: .*(Invalid argument|not permitted)|spawn.*(EINVAL|EPERM)/,
    () =>
      'PostgreSQL refuses to run as root, and the system does not let this process, which is root, become another user. Run the command as an ordinary user.',
  ],
  [
    /EACCES|Permission denied/,
    (folder, elsewhere) =>
      `permission is denied in ${folder}. The server, which as root runs as another user, must be able to enter it. ${elsewhere}`,
  ],
  [
    /Cannot allocate memory|could not fork|Resource temporarily unavailable|ENOMEM|EAGAIN/,
    () =>
      'the system has no memory or no processes left. Close what is not needed, or raise the limits (ulimit -u, --pids-limit).',
  ],
];

interface CauseOptions {
  /** The folder of the failure. Default: the temporary folder. */
  folder?: string;
  /** How to use another folder. Default: by TMPDIR. */
  elsewhere?: string;
  /** The text for an unknown cause. Default: the system's message. */
  unknown?: string;
}

/** The cause in plain words, and what to do about it. */
export function describeCause(error: unknown, { folder, elsewhere = ELSEWHERE, unknown }: CauseOptions = {}): string {
  const message = error instanceof Error ? error.message : String(error);
  const known = CAUSES.find(([pattern]) => pattern.test(message));
  return known?.[1](folder ?? `the temporary folder ${tmpdir()}`, elsewhere) ?? unknown ?? message;
}
