import type { ContenderKey } from '../contenders/catalogue.js';
import type { PassFigures } from './passFigures.js';
import { median } from './quantile.js';
import { tally } from './tally.js';

/** One contender's figures over its passes. */
export interface Summary {
  contender: ContenderKey;
  passes: number;
  /** The highest of all passes. Every other count of connections is the median of the passes. */
  peak: number;
  /** The largest number in the last second of the clients' work, of all passes. */
  peakAtEnd: number;
  mean: number;
  backends: number;
  opened: number;
  /** The largest number that any pass opened. */
  mostOpened: number;
  openedPerThousand: number;
  refused: number;
  limit: number | null;
  budget: number | null;
  transactionsPerConnection: number;
  /** The lowest figure of all passes. */
  fewestTransactionsPerConnection: number;
  perSecond: number;
  perSecondByPass: number[];
  /** The sum of all passes, because a median would lose some. */
  answered: number;
  /** The answered requests that violated the unique key. */
  conflicts: number;
  failed: number;
  timedOut: number;
  failures: Record<string, number>;
  /** The doctor's diagnosis of the first pass. */
  diagnosis: string[];
  p50Ms: number | null;
  p99Ms: number | null;
  serverCpuMs: number | null;
  poolerCpuMs: number | null;
  appCpuMs: number;
  generatorCpuMs: number;
}

export function summarise(contender: ContenderKey, passes: readonly PassFigures[]): Summary {
  const mid = (figure: (pass: PassFigures) => number | null) => median(passes.map(figure));
  const total = (figure: (pass: PassFigures) => number) => passes.reduce((sum, pass) => sum + figure(pass), 0);
  return {
    contender,
    passes: passes.length,
    peak: Math.max(...passes.map(peak)),
    peakAtEnd: Math.max(...passes.map(peakAtEnd)),
    mean: mid(mean) ?? 0,
    backends: mid(({ trace }) => trace.lifelines.length) ?? 0,
    opened: mid(({ opened }) => opened) ?? 0,
    mostOpened: Math.max(...passes.map(({ opened }) => opened)),
    openedPerThousand: mid(openedPerThousand) ?? 0,
    refused: mid(({ refused }) => refused) ?? 0,
    limit: passes[0]?.limit ?? null,
    budget: passes[0]?.budget ?? null,
    transactionsPerConnection: mid(perConnection) ?? 0,
    fewestTransactionsPerConnection: Math.min(...passes.map(perConnection)),
    perSecond: mid(({ load }) => load.perSecond) ?? 0,
    perSecondByPass: passes.map(({ load }) => load.perSecond),
    answered: total(({ load }) => load.answered),
    conflicts: total(({ load }) => load.conflicts),
    failed: total(({ load }) => load.failed),
    timedOut: total(({ load }) => load.timedOut),
    failures: tally(passes.map(({ failures }) => failures)),
    diagnosis: passes[0]?.diagnosis ?? [],
    p50Ms: mid(({ load }) => load.p50Ms),
    p99Ms: mid(({ load }) => load.p99Ms),
    serverCpuMs: mid(({ serverCpuMs }) => serverCpuMs),
    poolerCpuMs: mid(({ poolerCpuMs }) => poolerCpuMs),
    appCpuMs: mid(({ appCpuMs }) => appCpuMs) ?? 0,
    generatorCpuMs: mid(({ load }) => load.cpuMs) ?? 0,
  };
}

export function summariseAll(passes: readonly PassFigures[]): Summary[] {
  const contenders = [...new Set(passes.map(({ contender }) => contender))];
  return contenders.map((key) =>
    summarise(
      key,
      passes.filter(({ contender }) => contender === key),
    ),
  );
}

function peak({ trace }: PassFigures): number {
  return Math.max(0, ...trace.samples.map(({ connections }) => connections));
}

function peakAtEnd({ trace, load }: PassFigures): number {
  const atEnd = trace.samples.filter(({ at }) => at * 1_000 <= load.ms && at * 1_000 > load.ms - 1_000);
  return Math.max(0, ...atEnd.map(({ connections }) => connections));
}

/** The mean while the clients were at work. */
function mean({ trace, load }: PassFigures): number {
  const counts = trace.samples.filter(({ at }) => at * 1_000 <= load.ms).map(({ connections }) => connections);
  return counts.length === 0 ? 0 : counts.reduce((sum, count) => sum + count, 0) / counts.length;
}

function perConnection({ served, opened }: PassFigures): number {
  return opened === 0 ? 0 : served / opened;
}

function openedPerThousand({ opened, load }: PassFigures): number | null {
  const requests = requestsOf(load);
  return requests === 0 ? null : (1_000 * opened) / requests;
}

/** All requests that were made, whatever their end. */
export function requestsOf({ answered, failed, timedOut }: Pick<Summary, 'answered' | 'failed' | 'timedOut'>): number {
  return answered + failed + timedOut;
}
