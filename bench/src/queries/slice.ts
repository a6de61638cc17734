import type { ServerCpu } from '@tenure/replay/watch/cpuSource.js';
import type { Contender, WorkloadKey } from './workloads.js';

export interface Slice {
  /** Not counted: connections are opened and statements prepared in this time. */
  readonly warmUpMs: number;
  readonly forMs: number;
}

/** The task of a contender for one turn. */
export interface Turn {
  readonly workload: WorkloadKey;
  readonly slice: Slice;
}

/** The figures of one contender's turn. */
export interface Figures {
  readonly perSecond: number;
  /** CPU time for each operation, in microseconds, of this process and of PostgreSQL's. */
  readonly clientCpu: number;
  readonly serverCpu: number;
}

export async function runSlice(
  contender: Contender,
  workload: WorkloadKey,
  { warmUpMs, forMs }: Slice,
  server: ServerCpu,
): Promise<Figures> {
  await runFor(contender, workload, warmUpMs);
  const serverBefore = await server.readMs();
  const clientBefore = process.cpuUsage();
  const start = performance.now();
  const operations = await runFor(contender, workload, forMs);
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(clientBefore);
  const serverAfter = await server.readMs();
  return {
    perSecond: operations / seconds,
    clientCpu: (user + system) / operations,
    serverCpu: (1_000 * ((serverAfter ?? Number.NaN) - (serverBefore ?? Number.NaN))) / operations,
  };
}

async function runFor({ operations, callers }: Contender, workload: WorkloadKey, ms: number): Promise<number> {
  const operation = operations[workload];
  const end = performance.now() + ms;
  let done = 0;
  const caller = async (index: number) => {
    while (performance.now() < end) {
      await operation(index);
      done++;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
  return done;
}
