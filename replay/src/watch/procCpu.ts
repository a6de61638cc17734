import { readdir, readFile } from 'node:fs/promises';
import type { Backend, ServerCpu } from './cpuSource.js';

/** Linux counts in hundredths of a second, whatever its own clock is. */
export const MS_PER_TICK = 10;

interface ProcessTimes {
  parent: number;
  own: number;
  /** The time of children that have ended and been waited for. */
  endedChildren: number;
}

/** Reads /proc. The postmaster waits for each of its processes, so the time of ended ones is in it. */
export function procCpu(backend: Backend): ServerCpu {
  return {
    complete: true,
    async readMs() {
      const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      const times = await Promise.all(names.map(async (name) => ({ pid: Number(name), ...(await timesOf(name)) })));
      const postmaster = times.find(({ pid }) => pid === backend.postmaster);
      if (!postmaster) return null;
      const children = times.filter(({ pid, parent }) => parent === backend.postmaster && pid !== backend.pid);
      const ticks = children.reduce((sum, { own }) => sum + own, postmaster.own + postmaster.endedChildren);
      return ticks * MS_PER_TICK;
    },
  };
}

async function timesOf(pid: string): Promise<ProcessTimes> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return parseStat(stat);
}

/** The fields after the name, which is in brackets and may itself contain blanks and brackets. */
export function parseStat(stat: string): ProcessTimes {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [parent = 0, user = 0, system = 0, childUser = 0, childSystem = 0] = [1, 11, 12, 13, 14].map((i) => fields[i]);
  return { parent, own: user + system, endedChildren: childUser + childSystem };
}
