import { TenureConnectionLostError } from '../errors.js';
import { freshness } from '../lifecycle/freshness.js';
import type { Exchange } from './checkout.js';
import type { Roster } from './connections.js';
import type { InFlight } from './connector.js';
import type { Context } from './context.js';
import type { Slot } from './entry.js';
import type { Opener } from './opener.js';

/** How long a connection must stay silent, once the server says that it is not working for it, before it counts as lost: an answer may be on its way. */
const LONGEST_SILENCE_MS = 5_000;

/** A query that has been in flight for a while. */
interface LongQuery extends InFlight {
  /** When it was first seen in flight. */
  readonly since: number;
  askAt: number;
  /** How long to wait with the next question, if it is running. */
  everyMs: number;
  /** The server has said, once, that it is not running, and why. */
  missing: string | undefined;
}

/**
 * Finds queries in flight whose answer will never come: the server or its session is gone, and the socket still looks well. Asks the server over
 * another connection, one question for all of them, and none as long as no query takes long.
 */
export class InFlightCheck<C extends object> {
  readonly #context: Context<C>;
  readonly #roster: Roster<C>;
  readonly #exchange: Exchange<C>;
  readonly #opener: Opener<C>;
  readonly #lookAgain: (now: number) => void;
  #queries = new Map<Slot<C>, LongQuery>();

  /** @param lookAgain an answer has come, which may call for another look sooner */
  constructor(
    context: Context<C>,
    roster: Roster<C>,
    exchange: Exchange<C>,
    opener: Opener<C>,
    lookAgain: (now: number) => void,
  ) {
    this.#context = context;
    this.#roster = roster;
    this.#exchange = exchange;
    this.#opener = opener;
    this.#lookAgain = lookAgain;
  }

  /** How long after a checkout to look at the connection first; `Infinity` where queries in flight are not looked for. */
  get firstLookMs(): number {
    const { connector, policy } = this.#context;
    return connector.queryInFlight && connector.findLost ? policy.inFlightCheckMs / 2 : Number.POSITIVE_INFINITY;
  }

  /**
   * Looks at what is in flight, and asks the server if something has been for long.
   *
   * @returns when to look again; `Infinity` when nothing is in flight
   */
  look(now: number): number {
    const lookMs = this.firstLookMs;
    if (lookMs === Number.POSITIVE_INFINITY) return lookMs;
    const queries = new Map<Slot<C>, LongQuery>();
    let next = Number.POSITIVE_INFINITY;
    for (const slot of this.#roster.slots) {
      if (!mayBeAsking(slot) || slot.lost) continue;
      const lookAt = slot.takenAt + lookMs;
      const query = now < lookAt ? undefined : this.#inFlight(slot, now);
      if (query) queries.set(slot, query);
      next = Math.min(next, query?.askAt ?? (now < lookAt ? lookAt : now + lookMs));
    }
    this.#queries = queries;
    return next > now ? next : Math.min(this.#ask(now), now + lookMs);
  }

  /** A query seen twice, half of `inFlightCheckMs` apart, is long: when it began is not noted anywhere. */
  #inFlight(slot: Slot<C>, now: number): LongQuery | undefined {
    const seen = this.#context.connector.queryInFlight!(slot.connection);
    if (seen === undefined) return undefined;
    const before = this.#queries.get(slot);
    if (before?.query !== seen.query) {
      const { inFlightCheckMs } = this.#context.policy;
      const askAt = Math.max(now + this.firstLookMs, slot.takenAt + inFlightCheckMs);
      return { ...seen, since: now, askAt, everyMs: inFlightCheckMs, missing: undefined };
    }
    return before.bytes === seen.bytes ? before : { ...before, bytes: seen.bytes, missing: undefined };
  }

  /** Over an idle connection, else over a new one: above the maximum, if queries that are in flight take all places. */
  #ask(now: number): number {
    const { policy } = this.#context;
    const asked = [...this.#queries].filter(([, { since }]) => since < now);
    for (const [, query] of asked) query.askAt = now + policy.inFlightCheckMs;
    const question = (over: C, signal: AbortSignal) => this.#question(asked, over, signal);
    const { top } = this.#roster.idle;
    if (top) this.#exchange.askOver(top, question);
    else if (this.#roster.opening === 0) this.#opener.openToAsk(now, (slot) => this.#exchange.askOver(slot, question));
    return now + policy.inFlightCheckMs;
  }

  async #question(asked: [Slot<C>, LongQuery][], over: C, signal: AbortSignal): Promise<void> {
    const { connector, runtime } = this.#context;
    const suspects = asked.map(([slot]) => slot.connection);
    const lost = await connector.findLost!(suspects, { over, alive: this.#alive }, signal);
    const now = runtime.now();
    for (const [slot, query] of asked) this.#judge(slot, query, lost.get(slot.connection), now);
    this.#lookAgain(now);
  }

  /** Connections that are surely on the server: heard from a moment ago. */
  get #alive(): C[] {
    const { policy, runtime } = this.#context;
    const now = runtime.now();
    const { epoch, idle } = this.#roster;
    return idle
      .coldestFirst()
      .filter((slot) => policy.healthChecks && freshness(slot, epoch, policy, now) !== 'ask')
      .map(({ connection }) => connection);
  }

  #judge(slot: Slot<C>, { query, bytes, everyMs, missing }: LongQuery, reason: string | undefined, now: number): void {
    const current = this.#queries.get(slot);
    const seen = mayBeAsking(slot) ? this.#context.connector.queryInFlight!(slot.connection) : undefined;
    if (current?.query !== query || seen?.query !== query) return;
    if (reason === undefined || seen.bytes !== bytes) {
      current.missing = undefined;
      current.askAt = now + everyMs;
      current.everyMs = 2 * everyMs;
    } else if (missing === undefined) {
      current.missing = reason;
      current.askAt = now + Math.min(this.firstLookMs, LONGEST_SILENCE_MS);
    } else {
      this.#queries.delete(slot);
      this.#end(slot, reason, now);
    }
  }

  #end({ connection, takenAt }: Slot<C>, reason: string, now: number): void {
    const { connector } = this.#context;
    const processId = connector.processId?.(connection);
    connector.breakOff?.(connection, new TenureConnectionLostError(reason, now - takenAt, processId));
  }
}

/** A query may be in flight on it: of its borrower, or left by one who has given it back. */
function mayBeAsking({ kind }: Slot<object>): boolean {
  return kind === 'used' || kind === 'returning';
}
