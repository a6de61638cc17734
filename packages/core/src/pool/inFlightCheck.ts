import { TenureConnectionLostError } from '../errors.js';
import { checkLevel } from '../lifecycle/freshness.js';
import type { Checkout } from './checkout.js';
import type { Connections } from './connections.js';
import { type InFlight, isPooler } from './connector.js';
import { type Context, firstLookMs } from './context.js';
import type { PoolEntry } from './entry.js';
import type { Opener } from './opener.js';

/**
 * How long a connection must stay silent before it counts as lost, once the server says that it runs no query for it: an answer
 * may be on its way.
 */
const LONGEST_SILENCE_MS = 5_000;

/** A query that has been in flight for a while. */
interface LongQuery extends InFlight {
  /** When it was first seen in flight. */
  readonly since: number;
  askAt: number;
  /** The time until the next query about it, if it is still running. */
  everyMs: number;
  /** Why it is not running, if the server has said so once. */
  missing: string | undefined;
}

/**
 * Finds queries in flight whose answer will never come: the server or its session is gone, while the socket still looks healthy.
 * It queries the server over another connection, once for all of them, and not at all while no query takes long.
 */
export class InFlightCheck<C extends object> {
  readonly #context: Context<C>;
  readonly #connections: Connections<C>;
  readonly #checkout: Checkout<C>;
  readonly #opener: Opener<C>;
  #queries = new Map<PoolEntry<C>, LongQuery>();

  constructor(context: Context<C>, connections: Connections<C>, checkout: Checkout<C>, opener: Opener<C>) {
    this.#context = context;
    this.#connections = connections;
    this.#checkout = checkout;
    this.#opener = opener;
  }

  get #firstLookMs(): number {
    return firstLookMs(this.#context.connector, this.#context.policy);
  }

  /** Looks for queries in flight, queries the server if one is long, and sets the timer for the next look. */
  look(now: number): void {
    const lookMs = this.#firstLookMs;
    // The process IDs of a pooler belong to no backend: the query would cost it a session and find nothing.
    if (lookMs === Number.POSITIVE_INFINITY || isPooler(this.#context.connector.pooler?.())) return;
    const queries = new Map<PoolEntry<C>, LongQuery>();
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#connections.entries) {
      if (!mayBeAsking(entry) || entry.lost) continue;
      const lookAt = entry.takenAt + lookMs;
      const query = now < lookAt ? undefined : this.#inFlight(entry, now);
      if (query) queries.set(entry, query);
      next = Math.min(next, query?.askAt ?? (now < lookAt ? lookAt : now + lookMs));
    }
    this.#queries = queries;
    if (next <= now) {
      this.#ask(now);
      next = now + Math.min(this.#context.policy.inFlightCheckMs, lookMs);
    }
    this.#context.alarm.setFor(next, now);
  }

  /** A query is long when it was seen twice, half of `inFlightCheckMs` apart. Its start is not recorded anywhere. */
  #inFlight(entry: PoolEntry<C>, now: number): LongQuery | undefined {
    const seen = this.#context.connector.queryInFlight!(entry.connection);
    if (seen === undefined) return undefined;
    const before = this.#queries.get(entry);
    if (before?.query !== seen.query) {
      const { inFlightCheckMs } = this.#context.policy;
      const askAt = Math.max(now + this.#firstLookMs, entry.takenAt + inFlightCheckMs);
      return { ...seen, since: now, askAt, everyMs: inFlightCheckMs, missing: undefined };
    }
    return before.bytes === seen.bytes ? before : { ...before, bytes: seen.bytes, missing: undefined };
  }

  /** Queries the server over an idle connection, or else over a new one. If queries in flight take all places, the new one is above the maximum. */
  #ask(now: number): void {
    const { policy } = this.#context;
    const asked = [...this.#queries].filter(([, { since }]) => since < now);
    for (const [, query] of asked) query.askAt = now + policy.inFlightCheckMs;
    const question = (over: C, signal: AbortSignal) => this.#question(asked, over, signal);
    const { top } = this.#connections.idle;
    if (top) this.#checkout.ping(top, question);
    else if (this.#connections.opening === 0)
      this.#opener.openToAsk(now, (entry) => this.#checkout.ping(entry, question));
  }

  async #question(asked: [PoolEntry<C>, LongQuery][], over: C, signal: AbortSignal): Promise<void> {
    const { connector, runtime } = this.#context;
    const suspects = asked.map(([entry]) => entry.connection);
    const lost = await connector.findLost!(suspects, { over, alive: this.#alive }, signal);
    const now = runtime.now();
    for (const [entry, query] of asked) this.#judge(entry, query, lost.get(entry.connection), now);
    this.look(now);
  }

  /** Connections that are certainly on the server, because it answered on them a moment ago. */
  get #alive(): C[] {
    const { policy, runtime, server } = this.#context;
    const now = runtime.now();
    return this.#connections.idle
      .coldestFirst()
      .filter((entry) => policy.healthChecks && checkLevel(entry, server.epoch, policy, now) !== 'ping')
      .map(({ connection }) => connection);
  }

  #judge(
    entry: PoolEntry<C>,
    { query, bytes, everyMs, missing }: LongQuery,
    reason: string | undefined,
    now: number,
  ): void {
    const current = this.#queries.get(entry);
    const seen = mayBeAsking(entry) ? this.#context.connector.queryInFlight!(entry.connection) : undefined;
    if (current?.query !== query || seen?.query !== query) return;
    if (reason === undefined || seen.bytes !== bytes) {
      current.missing = undefined;
      current.askAt = now + everyMs;
      current.everyMs = 2 * everyMs;
    } else if (missing === undefined) {
      current.missing = reason;
      current.askAt = now + Math.min(this.#firstLookMs, LONGEST_SILENCE_MS);
    } else {
      this.#queries.delete(entry);
      this.#end(entry, reason, now);
    }
  }

  #end({ connection, takenAt }: PoolEntry<C>, reason: string, now: number): void {
    const { connector } = this.#context;
    const processId = connector.processId?.(connection);
    connector.breakOff?.(connection, new TenureConnectionLostError(reason, now - takenAt, processId));
  }
}

/** Whether a query may be in flight on it: its holder's, or one that was left by a holder who has returned it. */
function mayBeAsking({ kind }: PoolEntry<object>): boolean {
  return kind === 'used' || kind === 'returning';
}
