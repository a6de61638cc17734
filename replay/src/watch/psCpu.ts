import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Backend, ServerCpu } from './cpuSource.js';

const run = promisify(execFile);
const LOOK_EVERY_MS = 1_000;

/** Reads `ps`, which does not list ended processes: each counts with its time at the last look. */
export function psCpu(backend: Backend): ServerCpu {
  const lastSeenMs = new Map<number, number>();
  const look = async () => {
    const { stdout } = await run('ps', ['-axo', 'pid=,ppid=,time=']);
    for (const { pid, parent, ms } of parsePs(stdout)) {
      const ofServer = pid === backend.postmaster || (parent === backend.postmaster && pid !== backend.pid);
      if (ofServer) lastSeenMs.set(pid, ms);
    }
  };
  setInterval(() => look().catch(() => {}), LOOK_EVERY_MS).unref();
  return {
    complete: false,
    async readMs() {
      await look();
      return [...lastSeenMs.values()].reduce((sum, ms) => sum + ms, 0);
    },
  };
}

/** Parses lines such as `612 1 0:03.25` (macOS) and `612 1 1-00:00:03` (Linux). */
export function parsePs(output: string): { pid: number; parent: number; ms: number }[] {
  return output
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length === 3)
    .map(([pid, parent, time]) => ({ pid: Number(pid), parent: Number(parent), ms: timeMs(time!) }));
}

function timeMs(time: string): number {
  const [clock, days] = time.split('-').reverse();
  const seconds = clock!.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days ?? 0) * 86_400 + seconds) * 1_000;
}
