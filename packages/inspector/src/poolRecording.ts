import type { ConnectionInfo, PoolEvents, PoolFigures, PoolStats } from '@tenure/core';
import type { PoolView } from '@tenure/core/adapter';
import { HISTORY_MS, Lanes } from './lanes.js';
import type { FigureSample, LogEntry, PoolUpdate, RateSample } from './protocol.js';
import { Ring } from './ring.js';

export const LOOK_EVERY_MS = 250;
const RATE_EVERY_MS = 1_000;
const MOST_CONNECTIONS = 200;
const MOST_HOLDERS = 20;
const MOST_LOG_ENTRIES = 200;
const LONG_MS = 1_000;

type Closing = PoolEvents<object>['closing'];

/** A message of `tenure:pool:warning`. It names the pool as `stats()` does. */
export type WarningMessage = Pick<PoolStats, (typeof IDENTITY)[number]> & { readonly code: string };

const IDENTITY = ['poolName', 'serverAddress', 'serverPort', 'database'] as const;

/** The recording of one pool while a page is open. */
export class PoolRecording {
  readonly #view: PoolView;
  readonly #clock: () => { readonly t: number; readonly turn: number };
  readonly #figures = new Ring<FigureSample>(HISTORY_MS / LOOK_EVERY_MS);
  readonly #rates = new Ring<RateSample>(HISTORY_MS / RATE_EVERY_MS);
  readonly #log = new Ring<LogEntry>(MOST_LOG_ENTRIES);
  readonly #lanes = new Lanes();
  #before: { readonly t: number; readonly stats: PoolStats; readonly waits: PoolView['waits'] };
  /** The policy, and the turn of its last change. */
  #policy: { readonly of: PoolView['policy']; readonly turn: number };

  constructor(view: PoolView, clock: () => { readonly t: number; readonly turn: number }) {
    this.#view = view;
    this.#clock = clock;
    const { t, turn } = clock();
    this.#before = { t, stats: view.stats(), waits: view.waits.copy() };
    this.#policy = { of: view.policy, turn };
    view.on('closing', this.#closing).on('openFailed', this.#openFailed).on('rollback', this.#rollback);
  }

  stop(): void {
    this.#view.off('closing', this.#closing).off('openFailed', this.#openFailed).off('rollback', this.#rollback);
  }

  get figures(): PoolFigures {
    return this.#view.figures;
  }

  /** Called when a pool has warned. Only the code is shown, since the message may name hosts and users. */
  warned(warning: WarningMessage): void {
    const stats = this.#view.stats();
    if (IDENTITY.every((name) => warning[name] === stats[name])) this.#note('warning', warning.code);
  }

  look(): void {
    const { t, turn } = this.#clock();
    const { used, idle, opening, busy, waiting, max } = this.#view.figures;
    this.#figures.add(turn, { t, used, idle, busy: opening + busy, waiting, max });
    this.#lanes.look(this.#view.connections(), t, turn);
    if (this.#policy.of !== this.#view.policy) this.#policy = { of: this.#view.policy, turn };
    if (t - this.#before.t >= RATE_EVERY_MS) this.#rate(t, turn);
  }

  /** What is new since this turn. */
  since(turn: number): Omit<PoolUpdate, 'id'> {
    const { policy, ...stats } = this.#view.stats();
    const connections = this.#view.connections();
    const held = connections.filter(({ state, heldMs }) => state === 'used' && heldMs >= LONG_MS);
    return {
      stats,
      ...(this.#policy.turn > turn && { policy }),
      figures: this.#figures.since(turn),
      rates: this.#rates.since(turn),
      lanes: this.#lanes.since(turn),
      connections: connections.slice(0, MOST_CONNECTIONS).map(withoutTrace),
      holders: held.sort((one, other) => other.heldMs - one.heldMs).slice(0, MOST_HOLDERS),
      log: this.#log.since(turn),
    };
  }

  #rate(t: number, turn: number): void {
    const { t: since, stats: earlier, waits: earlierWaits } = this.#before;
    const stats = this.#view.stats();
    const waits = this.#view.waits.copy();
    const acquired = stats.acquired - earlier.acquired;
    const quantile = (share: number) => waits.quantile(share, acquired, earlierWaits);
    this.#rates.add(turn, {
      t,
      forMs: t - since,
      acquired,
      opened: stats.opened - earlier.opened,
      waits: acquired === 0 ? null : { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99) },
    });
    this.#before = { t, stats, waits };
  }

  readonly #closing = (_connection: object, reason: Closing[1], cause: unknown, info: Closing[3]): void => {
    const { t, turn } = this.#clock();
    this.#lanes.close(info, reason, t, turn);
    const served = `after ${info.uses === 1 ? 'one use' : `${info.uses} uses`}`;
    this.#note('closed', `${nameOf(info)}: ${reason}${codeOf(cause)}, ${served}`);
  };

  readonly #openFailed = (error: unknown): void => this.#note('failed', `connect${codeOf(error)}`);

  readonly #rollback = (): void => this.#note('rollback', 'an open transaction came back');

  #note(kind: LogEntry['kind'], text: string): void {
    const { t, turn } = this.#clock();
    this.#log.add(turn, { t, kind, text });
  }
}

function nameOf({ id, processId }: ConnectionInfo): string {
  return processId === undefined ? `connection ${id}` : `backend ${processId}`;
}

/** The code alone: the message of an error may name hosts and users. */
function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? ` (${code})` : '';
}

function withoutTrace({ stack: _, lastStatement: __, ...info }: ConnectionInfo): ConnectionInfo {
  return info;
}
