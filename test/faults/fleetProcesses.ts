import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const BUILT = new URL('../node_modules/.fleet/', import.meta.url);

/** One file with an app and Tenure: two dozen processes would take a minute to compile all of it. */
export async function buildApp(source: URL): Promise<string> {
  const script = fileURLToPath(source);
  const name = basename(script, '.ts');
  await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@tenure/source'] },
    ssr: { noExternal: [/^@tenure/], external: ['pg'], resolve: { conditions: ['@tenure/source'] } },
    build: {
      ssr: script,
      outDir: fileURLToPath(new URL(`${name}/`, BUILT)),
      rollupOptions: { output: { entryFileNames: `${name}.mjs` } },
    },
  });
  return fileURLToPath(new URL(`${name}/${name}.mjs`, BUILT));
}

export function startApp(script: string, env: Record<string, string>): ChildProcess {
  const child = fork(script, {
    env: { ...process.env, ...env },
    // Processes that find all slots taken begin as guests: what these tests are about.
    execArgv: ['--disable-warning=TENURE_BUDGET_GUEST'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.on('error', () => {});
  return child;
}

export interface Report {
  readonly slots: number;
  readonly guests: number;
  readonly hungry: boolean;
  readonly closed: number;
  readonly acquired: number;
  readonly failures: readonly string[];
}

/** A process of `fleetApp.ts`. */
export class FleetProcess {
  readonly #child: ChildProcess;
  isKilled = false;

  constructor(script: string, env: Record<string, string>) {
    this.#child = startApp(script, env);
  }

  get ready(): Promise<unknown> {
    return once(this.#child, 'message');
  }

  set callers(callers: number) {
    this.#child.send(callers);
  }

  async report(): Promise<Report> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = await answer;
    return report;
  }

  kill(): void {
    this.isKilled = true;
    this.#child.kill('SIGKILL');
  }
}

/** Sessions in the fleet. Each has a slot, and a lock of its member, whose key is the next number. */
export const SLOT_HOLDERS = `select count(distinct slot.pid)::int from pg_locks slot join pg_locks member
  on member.pid = slot.pid and member.classid::bigint = slot.classid::bigint + 1
  where slot.locktype = 'advisory' and slot.objsubid = 2 and slot.objid < 1000`;
