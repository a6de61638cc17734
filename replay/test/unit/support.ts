import type { PassFigures } from '../../src/figures/passFigures.js';
import { type Summary, summarise } from '../../src/figures/summary.js';

/** A pass of Tenure as it should be, but for what a test says. */
export function passOf(
  given: Partial<Omit<PassFigures, 'load'>> & { load?: Partial<PassFigures['load']> } = {},
): PassFigures {
  return {
    contender: 'tenure',
    trace: {
      samples: [
        { at: 0, connections: 0 },
        { at: 1, connections: 80 },
      ],
      lifelines: [{ pid: 1, bornAt: 0.1, lastSeenAt: 1, worked: [] }],
    },
    diagnosis: ['healthy'],
    served: 8_000,
    opened: 80,
    refused: 0,
    failures: {},
    limit: 80,
    budget: null,
    appCpuMs: 1_000,
    serverCpuMs: 500,
    poolerCpuMs: null,
    ...given,
    load: {
      answered: 8_000,
      conflicts: 0,
      failed: 0,
      timedOut: 0,
      perSecond: 2_000,
      p50Ms: 10,
      p99Ms: 20,
      ms: 4_000,
      cpuMs: 300,
      ...given.load,
    },
  };
}

export function summaryOf(given: Parameters<typeof passOf>[0] = {}): Summary {
  return summarise(given.contender ?? 'tenure', [passOf(given)]);
}

export function twice(given: Parameters<typeof passOf>[0] = {}): Summary {
  return summarise(given.contender ?? 'tenure', [passOf(given), passOf(given)]);
}
