import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { startAsked } from '../askedProcess.js';
import type { Outcome } from '../bench.js';
import { interleave } from '../figures/interleave.js';
import { median } from '../figures/median.js';
import { atMost, ratioOf, times } from '../figures/ratio.js';
import { MAX } from '../pool/peers/peer.js';
import type { Question } from './observedProcess.js';
import { KINDS } from './peers.js';

const SOURCE = new URL('./observedProcess.ts', import.meta.url);
const ROOT = new URL('../../', import.meta.url);

/** The lines on the warm path that channels and observers add, by file. If one of them is missing from its file, the benchmark stops. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  'pool/pool.ts': [
    'if (areAcquiresObserved()) return this.#context.channels.traceAcquire(() => this.#acquire(options));',
  ],
  'pool/checkout.ts': [
    'if (uses.areObserved) uses.lent(entry, waitedMs);',
    'if (uses.areObserved) uses.returned(entry);',
  ],
};

const LOAD = { callers: 1, open: 1 } as const;

/** Measures what channels and metrics cost a pool: without an observer, and with OpenTelemetry. */
export async function runObserved(quick: boolean): Promise<Outcome> {
  const rounds = quick ? 2 : 21;
  const operations = quick ? 10_000 : 20_000;
  const peers = await Promise.all(Object.keys(KINDS).map(start));
  try {
    const ns = await interleave(peers, rounds, ({ ask }) => ask({ ...LOAD, operations }));
    const [, , { ask }] = peers as [Peer, Peer, Peer];
    const collections = [];
    for (let round = 0; round < Math.min(rounds, 5); round++)
      collections.push(await ask({ ...LOAD, operations, collects: true }));
    const [without, plain, instrumented] = Object.keys(KINDS).map((name) => ns.get(name) ?? []) as [
      number[],
      number[],
      number[],
    ];
    return {
      report: {
        title: 'Being followed',
        about: [
          `Stub connections, ${MAX} at most, one caller. “Without channels” is the same source, compiled without the ${Object.values(LINES).flat().length} lines that channels and observers add to ` +
            `the warm path. Instrumented: @tenure/otel with OpenTelemetry’s SDK. Each in a process of its own; medians of ${rounds} interleaved rounds, and a ratio is the median of the rounds’ ratios. CPU time.`,
          'A collection hands the durations of all acquires since the last one to OpenTelemetry: its cost for each of them is the last row.',
        ],
        tables: [
          {
            title: 'Acquire + release',
            head: ['pool', 'CPU ns', 'times without channels'],
            rows: [
              ...[...ns].map(([name, values]) => [name, median(values).toFixed(0), times(ratioOf(values, without))]),
              ['at a collection, for each acquire before it', median(collections).toFixed(0), ''],
            ],
          },
        ],
        plots: [
          {
            title: 'Acquire + release',
            unit: 'CPU nanoseconds, less is better',
            bars: [...ns].map(([name, values]) => ({ name, value: median(values) })),
          },
        ],
        targets: [
          atMost('nobody subscribed, by the code without channels', ratioOf(plain, without), 1.03),
          atMost('instrumented, by not instrumented', ratioOf(instrumented, plain), 2),
        ],
        figures: { observedNs: Object.fromEntries(ns), collectionNs: collections },
      },
    };
  } finally {
    for (const { stop } of peers) stop();
  }
}

type Peer = Awaited<ReturnType<typeof start>>;

async function start(name: string) {
  const isWithout = name === 'without channels';
  const entry = await builtFile(isWithout ? 'observedWithout.js' : 'observedProcess.js', ROOT);
  await compile(SOURCE, entry, isWithout ? { without: LINES } : {});
  return { name, ...(await startAsked<Question, number>(entry, name, [name])) };
}
