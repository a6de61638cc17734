import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort } from '../support/freePort.js';
import { mayMount, withMounts } from '../support/mounts.js';
import { startPostgres } from '../support/postgres.js';
import { TemporaryFolder } from '../support/temporaryFolder.js';
import { usePostgres } from '../support/usePostgres.js';

vi.mock('../support/freePort.js', async (original) => {
  const { freePort } = await original<typeof import('../support/freePort.js')>();
  return { freePort: vi.fn(freePort) };
});

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const NODE = [process.execPath, '--conditions=@tenure/source', '--import', 'tsx'];
const START = `
  import { startPostgres } from './test/support/postgres.ts';
  await startPostgres().then(
    async (server) => { await server.stop(); console.log('It works.'); },
    (error) => console.log(error.name + ': ' + error.message),
  )`;
const GENERATE = `
  import generate from './test/prisma/generate.ts';
  await generate().then(() => console.log('It works.'), (error) => console.log(error.name + ': ' + error.message))`;
/** A start that fails must say so within this time. */
const LIMIT_MS = 30_000;
/** A start that works may take longer on a machine with other work. */
const WORKS_WITHIN_MS = 90_000;
vi.setConfig({ testTimeout: WORKS_WITHIN_MS });

const isRoot = process.getuid?.() === 0;
const READ_ONLY_CHECKOUT = `mount --bind ${CHECKOUT} ${CHECKOUT}; mount -o remount,bind,ro ${CHECKOUT}`;

/** The temporary folder of this test alone: all that stays in it was left behind. */
let temporary: string;
beforeEach(async () => {
  const folder = await TemporaryFolder.make('test');
  await chmod(folder.path, 0o755);
  temporary = join(await realpath(folder.path), 'tmp');
  await mkdir(temporary);
  await chmod(temporary, 0o777);
  return () => folder.remove();
});

/** This checkout, in a folder of this mode; `mounts` puts it there. */
async function checkoutBelow(mode: number) {
  const folder = await mkdtemp(join('/var/tmp', 'tenure-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await chmod(folder, mode);
  const checkout = join(folder, 'checkout');
  await mkdir(checkout);
  return { mounts: `mount --bind ${CHECKOUT} ${checkout}`, checkout };
}

interface Setting {
  mounts?: string;
  checkout?: string;
  env?: Record<string, string>;
  limitMs?: number;
}

/** Runs a command in the checkout, and resolves to what it printed. */
async function run(
  command: readonly string[],
  { mounts = ':', checkout = CHECKOUT, env, limitMs = LIMIT_MS }: Setting,
): Promise<string> {
  const [file, args] = withMounts(`${mounts}\ncd ${checkout}`, command);
  const child = spawn(file, args, {
    env: { ...process.env, TMPDIR: temporary, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  const [printed, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect({ code, signal }, printed).toEqual({ code: 0, signal: null });
  return printed.trim();
}

const evaluate = (script: string, setting: Setting) => run([...NODE, '--input-type=module', '--eval', script], setting);

const startWith = (setting: Setting) => evaluate(START, setting);

const itWorks = async (setting: Setting) =>
  expect(await startWith({ ...setting, limitMs: WORKS_WITHIN_MS })).toBe('It works.');

describe.skipIf(!mayMount())('a server for tests', () => {
  it('starts with a temporary folder that is mounted noexec', async () => {
    // Any user may enter this folder. The checkout itself may be below one that is closed to the user of the server.
    const { mounts, checkout } = await checkoutBelow(0o755);
    await itWorks({ mounts: `${mounts}; mount -t tmpfs -o noexec tmpfs ${temporary}`, checkout });
  });

  it.each([
    ['full', 'size=1m'],
    ['full to the last file', 'nr_inodes=2'],
  ])('says that the temporary folder is %s, and what to do', async (_, option) => {
    const printed = await startWith({ mounts: `mount -t tmpfs -o mode=1777,${option} tmpfs ${temporary}` });
    expect(printed).toMatch(/^CannotStartError: .*no space is left in the temporary folder/);
    expect(printed).toContain('TMPDIR=');
  });

  it('says that the temporary folder is read-only, and what to do', async () => {
    const printed = await startWith({ mounts: `mount -t tmpfs -o ro tmpfs ${temporary}` });
    expect(printed).toMatch(/^CannotStartError: .*the temporary folder \S+ is read-only\. .*TMPDIR=/);
  });

  it('says that the temporary folder does not exist', async () => {
    const printed = await startWith({ env: { TMPDIR: join(temporary, 'none') } });
    expect(printed).toMatch(/^CannotStartError: .*does not exist\. Make it, or correct TMPDIR\./);
  });

  it('starts in a checkout that is read-only', async () => {
    await itWorks({ mounts: READ_ONLY_CHECKOUT });
    expect(await readdir(temporary)).toEqual([]);
  });

  it('says that the loopback interface is down', async () => {
    const printed = await run(
      [
        'unshare',
        ...(isRoot ? [] : ['-U', '--map-current-user']),
        '-n',
        ...NODE,
        '--input-type=module',
        '--eval',
        START,
      ],
      // Only a started server finds that out.
      { limitMs: WORKS_WITHIN_MS },
    );
    expect(printed).toMatch(/^CannotStartError: .*the loopback interface is down\./);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('says that PostgreSQL refuses to run as root where this process may become no other user', async () => {
    const printed = await run(['unshare', '-U', '-r', ...NODE, '--input-type=module', '--eval', START], {});
    expect(printed).toMatch(
      /^CannotStartError: .*PostgreSQL refuses to run as root, .*Run the command as an ordinary user\./,
    );
    expect(await readdir(temporary)).toEqual([]);
  });

  describe.skipIf(!isRoot)('for root, whose checkout is in a folder that no other user may enter', () => {
    let closed: Setting & { mounts: string };
    beforeEach(async () => {
      closed = await checkoutBelow(0o700);
    });

    it('starts, and leaves no copy of its programs', async () => {
      await itWorks(closed);
      expect(await readdir(temporary)).toEqual([]);
    });

    it('says where else it might run when the temporary folder is mounted noexec', async () => {
      const mounts = `${closed.mounts}; mount -t tmpfs -o noexec tmpfs ${temporary}`;
      const printed = await startWith({ ...closed, mounts });
      expect(printed).toMatch(
        /^CannotStartError: .*where it is installed, in \S+: nor from a copy, .*mounted noexec\. .*TMPDIR=/,
      );
    });

    it('says when there is no space for the copy', async () => {
      const mounts = `${closed.mounts}; mount -t tmpfs -o size=20m tmpfs ${temporary}`;
      const printed = await startWith({ ...closed, mounts });
      expect(printed).toMatch(/^CannotStartError: .*cannot be copied .*no space is left in the temporary folder/);
    });

    it('says when the temporary folder is closed to others as well', async () => {
      await chmod(temporary, 0o700);
      expect(await startWith({})).toMatch(
        /^CannotStartError: .*permission is denied in the temporary folder .*TMPDIR=/,
      );
      expect(await readdir(temporary)).toEqual([]);
    });
  });
});

describe.skipIf(!mayMount())('in a checkout that is read-only', async () => {
  const postgres = await usePostgres();

  it('the replay runs, and says where its report is', async () => {
    const setting = { mounts: READ_ONLY_CHECKOUT, env: { DATABASE_URL: postgres.url }, limitMs: WORKS_WITHIN_MS };
    const printed = await run([...NODE, 'replay/src/main.ts', '--quick', '--only', 'per-request'], setting);
    const [, report] = /\nReport: (.*)$/.exec(printed)!;
    const [results, ...others] = await readdir(temporary);
    expect(report).toContain(join(temporary, results!));
    expect(others).toEqual([]);
  });

  it('the Prisma client of the tests is used where it is', async () => {
    expect(await evaluate(GENERATE, { mounts: READ_ONLY_CHECKOUT })).toBe('It works.');
  });

  it('and where it is missing the tests say what to do', async () => {
    const without = join(temporary, 'without');
    await mkdir(without);
    await copyFile(join(CHECKOUT, 'test/prisma/schema.prisma'), join(without, 'schema.prisma'));
    await copyFile(join(CHECKOUT, 'test/prisma/generate.ts'), join(without, 'generate.ts'));
    const mounts = `mount --bind ${without} ${CHECKOUT}/test/prisma; mount -o remount,bind,ro ${CHECKOUT}/test/prisma`;
    const printed = await evaluate(GENERATE, { mounts });
    expect(printed).toMatch(
      /^CannotStartError: .*generated\/ is read-only\. .*run them in a checkout that you may write to\./,
    );
    expect(await readdir(temporary)).toEqual(['without']);
  });
});

it('takes another port when another program has taken the first', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  vi.mocked(freePort).mockResolvedValueOnce(port);
  await using server = await startPostgres();
  expect(server.port).not.toBe(port);
  await expect(server.admin('select 1')).resolves.toHaveLength(1);
  other.close();
});

it('says which port is taken when it may have no other', async () => {
  await using server = await startPostgres();
  await server.stopServer();
  const other = createServer().listen(server.port, '127.0.0.1');
  await once(other, 'listening');
  await expect(server.startServer()).rejects.toThrow(`port ${server.port} is taken by another program`);
  other.close();
});
