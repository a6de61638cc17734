import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const BUILT = new URL('../node_modules/.fleet/', import.meta.url);

/** One file of an app and of Tenure: two dozen processes that each compile all of that would take a minute. */
export async function buildApp(name: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: 'silent',
    resolve: { conditions: ['@tenure/source'] },
    ssr: { noExternal: [/^@tenure/], external: ['pg'], resolve: { conditions: ['@tenure/source'] } },
    build: {
      ssr: fileURLToPath(new URL(`${name}.ts`, import.meta.url)),
      outDir: fileURLToPath(new URL(`${name}/`, BUILT)),
      rollupOptions: { output: { entryFileNames: `${name}.mjs` } },
    },
  });
  return fileURLToPath(new URL(`${name}/${name}.mjs`, BUILT));
}

export function startApp(script: string, env: Record<string, string>): ChildProcess {
  const child = fork(script, {
    env: { ...process.env, ...env },
    execArgv: [],
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

/** Sessions in the fleet: each has a slot, and a lock of its member as well, the key of which is the next one. */
export const SLOT_HOLDERS = `select count(distinct slot.pid)::int from pg_locks slot join pg_locks member
  on member.pid = slot.pid and member.classid::bigint = slot.classid::bigint + 1
  where slot.locktype = 'advisory' and slot.objsubid = 2 and slot.objid < 1000`;
