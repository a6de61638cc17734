import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import type pg from 'pg';
import type { Backend, ServerCpu } from './cpuSource.js';
import { procCpu } from './procCpu.js';
import { psCpu } from './psCpu.js';

const run = promisify(execFile);

const UNKNOWN: ServerCpu = { complete: true, readMs: async () => null };

/** `client`'s own backend identifies the processes of the server; its own work is not counted. */
export async function serverCpu(client: pg.Client): Promise<ServerCpu> {
  try {
    const backend = await backendOf(client);
    if (backend === undefined) return UNKNOWN;
    return process.platform === 'linux' ? procCpu(backend) : psCpu(backend);
  } catch {
    return UNKNOWN;
  }
}

/** Undefined when the server does not run on this machine, or its processes are not visible. */
async function backendOf(client: pg.Client): Promise<Backend | undefined> {
  const { processID: pid, connection } = client as unknown as { processID: number; connection: { stream: Socket } };
  const title = await titleOf(pid);
  // The title of a backend contains the port of its client. A process of another machine with the same number lacks it.
  if (!title.includes('postgres') || !title.includes(`(${connection.stream.localPort})`)) return undefined;
  const { stdout } = await run('ps', ['-o', 'ppid=', '-p', String(pid)]);
  return { pid, postmaster: Number(stdout) };
}

async function titleOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8');
  return (await run('ps', ['-o', 'command=', '-p', String(pid)])).stdout;
}
