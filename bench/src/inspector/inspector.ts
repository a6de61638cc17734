import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from '@tenure/core/pg';
import { inspector } from '@tenure/inspector';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { atLeast, ratioOf, target, times } from '../figures/ratio.js';
import type { Report } from '../report/report.js';
import { memoryOverTime, type Watched } from './memory.js';

const MAX = 10;
const PER_SECOND = 1_000;
/** A limit of requests in flight, so that a slow machine does not pile them up. */
const MOST_PENDING = 100;
const READERS = [{ name: 'page closed' }, { name: 'page open' }];
const [CLOSED, OPEN] = READERS.map(({ name }) => name);

interface Figures {
  readonly perSecond: number;
  readonly cpuUsPerQuery: number;
}

/** Measures what the live page costs the process that it shows. */
export async function inspectorCost(url: string, quick: boolean, progress: (text: string) => void): Promise<Report> {
  const rounds = quick ? 1 : 7;
  const forMs = quick ? 1_000 : 5_000;
  const minutes = quick ? 0.1 : Number(process.env.INSPECTOR_MINUTES ?? 1);
  // Two pools, since a pool is still recorded for ten seconds after its last reader has gone.
  const [unseen, seen] = [new Pool({ connectionString: url, max: MAX }), new Pool({ connectionString: url, max: MAX })];
  const server = createServer(inspector({ pools: { seen } }).node);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const measured = await interleave(READERS, rounds, async ({ name }, isWarmUp) => {
    progress(`${name}${isWarmUp ? ', warming up' : ''}`);
    const reader = name === OPEN ? startReader(page) : undefined;
    await sleep(500);
    const figures = await steadyLoad(name === OPEN ? seen : unseen, isWarmUp ? 500 : forMs);
    reader?.kill();
    return figures;
  });
  progress(`memory with the page open, ${minutes} min`);
  const load = new AbortController();
  const loaded = steadyLoad(seen, minutes * 60_000 + 20_000, load.signal);
  const watched = await memoryOverTime(page, minutes * 60_000);
  load.abort();
  const { perSecond } = await loaded;
  await Promise.all([unseen.end(), seen.end()]);
  server.close();
  return reportOf(measured, { rounds, forMs, minutes, perSecond }, watched);
}

/** Starts a process that polls as the page does. */
function startReader(url: string): ChildProcess {
  const script = `
    let cursor = '', pool = '';
    const poll = async () => {
      const update = await (await fetch('${url}?since=' + cursor + pool)).json();
      [cursor, pool] = [update.cursor, '&pool=' + update.pool.id];
    };
    poll();
    setInterval(poll, 1_000);
    process.on('disconnect', () => process.exit());`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

/** Runs the wanted number of short queries a second, or as many as the machine can serve. */
async function steadyLoad(pool: Pool, forMs: number, signal?: AbortSignal): Promise<Figures> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const pending = new Set<Promise<unknown>>();
  let sent = 0;
  while (performance.now() - start < forMs && !signal?.aborted) {
    const due = Math.floor(((performance.now() - start) / 1_000) * PER_SECOND);
    for (; sent < due && pending.size < MOST_PENDING; sent++) {
      const query = pool.query('select 1').finally(() => pending.delete(query));
      pending.add(query);
    }
    await sleep(2);
  }
  await Promise.all(pending);
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (sent / (performance.now() - start)) * 1_000, cpuUsPerQuery: (user + system) / sent };
}

function reportOf(
  measured: ReadonlyMap<string, readonly Figures[]>,
  { rounds, forMs, minutes, perSecond }: { rounds: number; forMs: number; minutes: number; perSecond: number },
  { memory, firstDataMs }: Watched,
): Report {
  const take = (name: string | undefined, figure: keyof Figures) =>
    (measured.get(name!) ?? []).map((round) => round[figure]);
  const throughput = ratioOf(take(OPEN, 'perSecond'), take(CLOSED, 'perSecond'));
  const grown = memory.map(({ name, bytes }) => ({ name, mb: (bytes.at(-1)! - bytes[0]!) / 2 ** 20 }));
  return {
    title: 'The live page',
    about: [
      `A pool of ${MAX} connections under ${PER_SECOND} queries a second, with a reader that polls once a second and without one. ` +
        `Medians of ${rounds} interleaved rounds of ${forMs / 1_000} s.`,
      `Memory: live bytes after a collection, with the page open in Chromium for ${minutes} min, at ${perSecond.toFixed(0)} queries a second.` +
        (firstDataMs === undefined ? '' : ` The page showed the pool after ${firstDataMs.toFixed(0)} ms.`),
    ],
    tables: [
      {
        title: 'Cost',
        head: ['', 'queries/s', 'times closed', 'CPU µs per query'],
        rows: READERS.map(({ name }) => [
          name,
          median(take(name, 'perSecond')).toFixed(0),
          times(ratioOf(take(name, 'perSecond'), take(CLOSED, 'perSecond'))),
          median(take(name, 'cpuUsPerQuery')).toFixed(1),
        ]),
      },
      {
        title: 'Memory, MB',
        head: ['', 'first', 'last', 'most'],
        rows: memory.map(({ name, bytes }) => [name, ...[bytes[0]!, bytes.at(-1)!, Math.max(...bytes)].map(inMb)]),
      },
    ],
    plots: [],
    targets: [
      atLeast('Throughput with the page open by closed', throughput, 0.99),
      ...grown.map(({ name, mb }) =>
        target(mb < 2, `${name}: ${mb.toFixed(1)} MB more at the end (the target is < 2)`),
      ),
      ...(firstDataMs === undefined
        ? []
        : [target(firstDataMs < 1_000, `First data after ${firstDataMs.toFixed(0)} ms (the target is < 1,000)`)]),
    ],
    figures: { rounds: Object.fromEntries(measured), memory, perSecond, firstDataMs },
  };
}

function inMb(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
