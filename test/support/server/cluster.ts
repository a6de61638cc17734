import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CannotStartError, describeCause } from '../cannotStart.js';
import { plainEnv } from '../plainEnv.js';
import { type OnSlow, step } from '../step.js';
import type { TemporaryFolder } from '../temporaryFolder.js';
import type { Programs } from './programs.js';

/** A standby is ready to accept `read-only connections`. */
const READY = /database system is ready to accept (read-only )?connections/;
const PORT_IS_TAKEN = /could not bind.*Address already in use/;
/** Sessions of a killed postmaster hold its shared memory until they find it gone. */
const STILL_HELD = /pre-existing shared memory block/;
const HELD_FOR_ATTEMPTS = 30;
const LOG_LINES_KEPT = 400;

const END_SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

export type StopMode =
  /** Sessions are ended with 57P01. */
  | 'fast'
  /** Like a crash: sessions are cut, and the next start recovers. */
  | 'immediate'
  /** SIGKILL to the postmaster, as when memory runs out: sessions get no message. */
  | 'kill';

/** The port belongs to another program. */
export class PortTakenError extends CannotStartError {}

export interface ClusterOptions {
  superuser: string;
  password: string;
  settings: Record<string, string | number>;
  env: Record<string, string>;
  onSlow: OnSlow;
}

/** A PostgreSQL cluster in a folder of its own, and the server that runs on it. */
export class Cluster {
  readonly #folder: TemporaryFolder;
  readonly #programs: Programs;
  readonly #options: ClusterOptions;
  readonly #lines: string[] = [];
  #server: ChildProcess | undefined;

  constructor(folder: TemporaryFolder, programs: Programs, options: ClusterOptions) {
    this.#folder = folder;
    this.#programs = programs;
    this.#options = options;
  }

  /** The server's last log lines. */
  log(): string {
    return this.#lines.join('\n');
  }

  readonly keep = (line: unknown): void => {
    this.#lines.push(String(line));
    if (this.#lines.length > LOG_LINES_KEPT) this.#lines.shift();
  };

  get data(): string {
    return join(this.#folder.path, 'data');
  }

  /** Copies the data directory of another cluster, whose server has never run. */
  copy(data: string): Promise<void> {
    return this.#step('Copying a PostgreSQL cluster', async (failed) => {
      const cp = await this.#run('KILL', 'cp', ['-R', '-p', data, this.data]);
      const [code] = await once(cp, 'close');
      if (code !== 0) throw failed();
    });
  }

  /** Makes the data directory. */
  initialise(): Promise<void> {
    return this.#step('Making a PostgreSQL cluster (initdb)', async (failed) => {
      const passwordFile = join(this.#folder.path, 'password');
      await writeFile(passwordFile, `${this.#options.password}\n`, { mode: 0o600 });
      await this.#folder.own(passwordFile);
      const initdb = await this.#run('KILL', this.#programs.initdb, [
        `--pgdata=${this.data}`,
        `--username=${this.#options.superuser}`,
        `--pwfile=${passwordFile}`,
        '--auth=password',
        '--encoding=UTF8',
        '--no-sync',
      ]);
      const [code] = await once(initdb, 'close');
      await rm(passwordFile, { force: true });
      if (code !== 0) throw failed();
    });
  }

  /**
   * Starts the server, unless it runs.
   *
   * @throws PortTakenError when the port is not free
   */
  async start(port: number): Promise<void> {
    if (this.#server) return;
    await this.#step('Starting PostgreSQL', async (failed) => {
      for (let attempt = 1; ; attempt++) {
        const from = this.#lines.length;
        if (await this.#startOnce(port)) return;
        const printed = this.#lines.slice(from).join('\n');
        if (PORT_IS_TAKEN.test(printed)) {
          throw new PortTakenError('PostgreSQL cannot be started', `port ${port} is taken by another program`, printed);
        }
        if (!STILL_HELD.test(printed) || attempt === HELD_FOR_ATTEMPTS) throw failed();
        await sleep(100);
      }
    });
  }

  /** Resolves to whether it accepts connections; if not, it has ended. */
  async #startOnce(port: number): Promise<boolean> {
    const { settings } = this.#options;
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const server = await this.#run('QUIT', this.#programs.postgres, ['-D', this.data, '-p', String(port), ...flags]);
    const ready = await new Promise<boolean>((resolve) => {
      createInterface({ input: server.stderr! }).on('line', (line) => READY.test(line) && resolve(true));
      server.once('close', () => resolve(false));
    });
    if (ready) this.#server = server;
    return ready;
  }

  /** Stops the server, if it runs, and waits until it has ended. */
  async stop(mode: StopMode): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || hasEnded(server)) return;
    // Sessions live a moment longer than a killed postmaster, and hold its pipes open.
    const ended = once(server, 'exit');
    server.kill(END_SIGNALS[mode]);
    await step('Stopping PostgreSQL', this.#options.onSlow, ended);
  }

  async #run(endSignal: 'QUIT' | 'KILL', command: string, args: readonly string[]): Promise<ChildProcess> {
    const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
    const program = await this.#folder.start(command, args, {
      env: { ...plainEnv(), ...this.#options.env },
      stdio,
      endSignal,
    });
    for (const input of [program.stdout!, program.stderr!]) createInterface({ input }).on('line', this.keep);
    return program;
  }

  #step<Result>(name: string, work: (failed: () => Error) => Promise<Result>): Promise<Result> {
    const failed = () =>
      new CannotStartError(
        `${name} failed`,
        describeCause(this.log(), { unknown: 'see what it printed.' }),
        this.log(),
      );
    return step(name, this.#options.onSlow, work(failed));
  }
}

function hasEnded(program: ChildProcess): boolean {
  return program.exitCode !== null || program.signalCode !== null;
}
