import { type ContenderKey, contenderOf, PROCESSES } from './contenders/catalogue.js';

/** The load, its duration, and the order of the passes. */
export interface Plan {
  clients: number;
  clientTimeoutMs: number;
  passes: Pass[];
  /** The most connections of all processes together, for contenders that stay within a limit. */
  connections: number;
}

export interface Pass {
  contender: ContenderKey;
  /** 1 for a contender's first pass. */
  number: number;
  of: number;
  forMs: number;
  /** A pass goes on until this many requests are answered, so that a slow machine changes no count that is asserted. */
  untilAnswered: number;
  maxMs: number;
  /** The load runs before until this many requests are answered, so that all code is compiled when the pass begins; 0 without that. */
  warmUp: number;
  /** When the number of processes doubles, if it does. The new ones run before, but get no requests. */
  doublesAfterMs: number | null;
}

export interface PlanOptions {
  only: readonly ContenderKey[];
  quick: boolean;
  /** The most connections of a process, among the contenders that stay within a limit. */
  limit: number;
  /** Requests before each pass whose contender answers enough; 0 by default, since the replay is about processes that have just started. */
  warmUp?: number;
}

const CLIENT_TIMEOUT_MS = 10_000;
const PASS_MS = 8_000;
const QUICK_PASS_MS = 2_500;
/** After this time the connections are within the budget: a process that found it in use has a slot by then. */
const SETTLED_MS = 8_000;
const LONGEST_PASS_MS = 40_000;
/** Half as much again as a connection must serve. */
const ENOUGH_PER_CONNECTION = 75;

/**
 * Contenders with and without Tenure in turns, so that a machine that becomes slower or faster affects both alike. There are
 * fewer turns where the difference is large.
 */
const INTERLEAVED: readonly ContenderKey[] = [
  ...([
    'stock',
    'tenure',
    'pgbouncer',
    'tenure-no-budget',
    'tenure',
    'stock',
    'pgbouncer',
    'tenure-no-budget',
    'tenure',
    'stock',
    'tenure-no-budget',
    'pgbouncer',
    'stock',
    'tenure',
  ] as const),
  ...(['prisma', 'prisma-tenure', 'prisma-pgbouncer', 'prisma-pgbouncer', 'prisma-tenure', 'prisma'] as const),
  'stock-deployment',
  'tenure-deployment',
];

export function makePlan({ only, quick, limit, warmUp = 0 }: PlanOptions): Plan {
  const order = quick ? only : inFull(only);
  const connections = PROCESSES * limit;
  return {
    clients: quick ? 100 : 400,
    clientTimeoutMs: CLIENT_TIMEOUT_MS,
    connections,
    passes: order.map((contender, index) => ({
      contender,
      number: order.slice(0, index + 1).filter((key) => key === contender).length,
      of: order.filter((key) => key === contender).length,
      warmUp: contenderOf(contender).starves ? 0 : warmUp,
      ...extentOf(contender, quick ? QUICK_PASS_MS : PASS_MS, connections),
    })),
  };
}

function inFull(only: readonly ContenderKey[]): ContenderKey[] {
  const alone = only.filter((key) => !INTERLEAVED.includes(key));
  return [...alone, ...INTERLEAVED.filter((key) => only.includes(key))];
}

function extentOf(contender: ContenderKey, forMs: number, connections: number) {
  const { starves, doubles, isTenure } = contenderOf(contender);
  const extent = doubles
    ? { forMs: forMs + SETTLED_MS, doublesAfterMs: forMs }
    : { forMs: isTenure ? Math.max(forMs, SETTLED_MS) : forMs, doublesAfterMs: null };
  // It may never answer so many.
  if (starves) return { ...extent, untilAnswered: 0, maxMs: extent.forMs };
  return { ...extent, untilAnswered: connections * ENOUGH_PER_CONNECTION, maxMs: LONGEST_PASS_MS };
}
