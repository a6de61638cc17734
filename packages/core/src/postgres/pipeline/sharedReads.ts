import type { Policy } from '../../policy/policy.js';
import { afterTwoTurns, systemRuntime } from '../../pool/clock.js';
import type { PipelineStats, PoolReport } from '../../pool/connector.js';
import type { Pool } from '../../pool/pool.js';
import { Histogram } from '../../pool/stats.js';
import type { PgClient } from '../pgTypes.js';
import type { SharedRun, SharedRuns } from '../statements/sharedRuns.js';
import { AnswerOrder } from './answerOrder.js';
import type { Callback, OrderedPool, SharedCall, Watched } from './inFlight.js';
import { canPipeline } from './pipeliningClient.js';
import { type Proof, proveOrder } from './proof.js';
import { copyOfValues } from './shortRead.js';

/** How often connections with queries in flight are checked. */
const LOOK_MS = 25;

/** The members that a query's configuration may have. With any other, a shared connection could not do what it means. */
const KNOWN = new Set(['text', 'values', 'rowMode', 'types']);

/** A query that may share a connection. */
export interface Read {
  readonly text: string;
  /** The argument for the client's method `query`. */
  readonly query: unknown;
  readonly values: unknown;
  /** The parameters, copied: the client must send this same list. */
  readonly sent: readonly unknown[];
}

type Corkable = { cork?(): void; uncork?(): void };

/** The functions of a host for its reads. */
export interface ReadHost<C extends PgClient> {
  readonly engine: Pool<C>;
  /** Called when a client was checked out, and is about to be shared. */
  begun(client: C): void;
  /** Calls the client's method `query`. */
  send(client: C, read: Read, callback: Callback): void;
  release(client: C, error?: unknown): void;
  /** The error in the form for callers, when no connection was acquired. */
  refused(error: unknown): unknown;
  /** Runs a read on a client without other users, and releases the client. Without a client it acquires one. */
  runAlone(read: Read, client?: C): Promise<unknown>;
}

/** The result for a read that may share. Without a client it acquires one. */
type Outcome<C> =
  | { readonly kind: 'answered'; readonly result: unknown }
  | { readonly kind: 'alone'; readonly client: C | undefined };

/** Set when any connection of this process got an answer that did not belong to the query whose turn it was. */
let wasMismatched = false;

/** The reads of one pool that share connections. */
export class SharedReads implements OrderedPool {
  readonly #isShort: (text: string) => boolean;
  readonly #report: PoolReport;
  #offReason: 'off' | 'unproven' | undefined;
  /** The result of the last proof. */
  #proof: 'direct' | 'indirect' | undefined;
  readonly #waited = new Histogram();
  #sent = 0;
  #queries = 0;
  #deepest = 0;
  #again = 0;
  /** The orders of the clients whose connections may be shared. */
  readonly #orders = new WeakMap<PgClient, AnswerOrder>();
  readonly #watched = new Set<Watched>();
  #isLooking = false;
  readonly #corked = new Set<Corkable>();

  constructor({ statements, reset }: Policy, isShort: (text: string) => boolean, report: PoolReport) {
    this.#isShort = isShort;
    this.#report = report;
    // A session that is cleared between its users cannot be shared.
    if (statements === 0 || reset === 'session') this.#offReason = 'off';
  }

  get isOn(): boolean {
    return this.#offReason === undefined && !wasMismatched;
  }

  turnOff(reason: 'off' | 'unproven'): void {
    if (this.#offReason !== undefined) return;
    this.#offReason = reason;
    this.#report.pipelineChanged?.();
  }

  stats(state: 'on' | 'off' | 'behind-pooler'): PipelineStats {
    const waited = (share: number) => this.#waited.quantile(share, this.#queries);
    return {
      state: wasMismatched ? 'mismatch' : (this.#offReason ?? (this.#proof === 'indirect' ? 'behind-pooler' : state)),
      queries: this.#queries,
      share: this.#sent === 0 ? 0 : this.#queries / this.#sent,
      deepest: this.#deepest,
      waitedBehindMs: { p50: waited(0.5), p99: waited(0.99), max: this.#waited.longest },
      again: this.#again,
    };
  }

  /**
   * Whether this new client leads straight to its server, and gets its answers in order. Costs one round trip. Rejects when the
   * client cannot be used.
   */
  async prove(client: PgClient, signal: AbortSignal): Promise<boolean> {
    if (!canPipeline(client)) {
      this.turnOff('off');
      return false;
    }
    let proof: Proof;
    try {
      proof = await proveOrder(client, signal);
    } catch (error) {
      // If no such query is ever answered, turning it off keeps every connect from failing.
      if (signal.aborted && this.#proof === undefined) this.turnOff('unproven');
      throw error;
    }
    if (proof === 'disordered') this.turnOff('unproven');
    else this.#noteProof(proof);
    if (proof !== 'disordered') return proof === 'direct';
    throw new Error('Several queries in flight were not all answered in their order');
  }

  #noteProof(proof: 'direct' | 'indirect'): void {
    const isNew = proof !== this.#proof;
    this.#proof = proof;
    if (isNew) this.#report.pipelineChanged?.();
  }

  /** Allows reads to share this client's connection, which was proved to lead straight to its server. */
  adopt(client: PgClient, runs: SharedRuns): void {
    if (canPipeline(client)) this.#orders.set(client, new AnswerOrder(client, runs, this));
  }

  /** The query as one that may share a connection; `undefined` for any other, which gets one alone. */
  accept(query: unknown, values: unknown): Read | undefined {
    if (!this.isOn) return undefined;
    const config = typeof query === 'string' ? { text: query } : query;
    const { text, values: own } = Object(config) as { text?: unknown; values?: unknown };
    const given = values ?? own;
    if (typeof text !== 'string' || !Array.isArray(given) || given.length === 0 || !this.#isShort(text))
      return undefined;
    if (typeof query !== 'string' && !isPlainConfig(query as object)) return undefined;
    const copy = copyOfValues(given);
    if (copy === undefined) return undefined;
    if (typeof query === 'string') return { text, query, values: copy, sent: copy };
    return { text, query: { ...(query as object), values: copy }, values: undefined, sent: copy };
  }

  /** Runs a read on a connection that other reads may be using. */
  async run<C extends PgClient>(read: Read, host: ReadHost<C>): Promise<unknown> {
    const outcome = await this.#share(read, host);
    // The read runs alone from here: the callback would be in the asynchronous context of another caller.
    return outcome.kind === 'answered' ? outcome.result : host.runAlone(read, outcome.client);
  }

  #share<C extends PgClient>(read: Read, host: ReadHost<C>): Promise<Outcome<C>> {
    return new Promise((resolve, reject) => {
      const call: SharedCall = {
        answered: (error, result) => (error ? reject(error) : resolve({ kind: 'answered', result })),
        again: () => {
          this.#again++;
          resolve({ kind: 'alone', client: undefined });
        },
      };
      let found: SharedRun | undefined;
      const find = (client: C) => {
        found = this.isOn ? this.#orders.get(client)?.find(read.text, systemRuntime.now()) : undefined;
        return found !== undefined;
      };
      host.engine.sharing!.acquire({
        joins: find,
        lent: (client) => {
          const order = this.#orders.get(client);
          const write = (callback: Callback) => host.send(client, read, callback);
          this.#sent++;
          // `found` belongs to this connection: it was found in the same step.
          if (order?.isOpen) order.send({ run: found!, values: read.sent }, call, write, true);
          else if (order && find(client)) {
            const first = { run: found!, values: read.sent };
            this.#begin(host, client, order, () => order.send(first, call, write, false));
          } else resolve({ kind: 'alone', client });
        },
        refused: (error) => reject(host.refused(error)),
      });
    });
  }

  /** Shares a client that the caller has alone. */
  #begin<C extends PgClient>(host: ReadHost<C>, client: C, order: AnswerOrder, send: () => void): void {
    const sharing = host.engine.sharing!;
    host.begun(client);
    order.open({
      left: (queries) => sharing.left(client, queries),
      release: (error) => {
        sharing.end(client);
        host.release(client, error);
      },
    });
    send();
    sharing.begin(client);
  }

  noteSent(depth: number): void {
    if (depth === 1) return;
    this.#queries++;
    this.#deepest = Math.max(this.#deepest, depth);
  }

  noteRewritten(): void {
    this.turnOff('off');
  }

  noteWaitedBehind(ms: number): void {
    this.#waited.add(ms);
  }

  watch(order: Watched): void {
    this.#watched.add(order);
    if (this.#isLooking) return;
    this.#isLooking = true;
    // After a blocked event loop the answers often wait in the sockets.
    systemRuntime.after(LOOK_MS, () => afterTwoTurns(systemRuntime, () => this.#look()));
  }

  #look(): void {
    this.#isLooking = false;
    const now = systemRuntime.now();
    for (const order of this.#watched) {
      order.look(now);
      if (order.isEmpty) this.#watched.delete(order);
    }
    const [left] = this.#watched;
    if (left) this.watch(left);
  }

  cork(stream: Corkable): void {
    if (this.#corked.has(stream)) return;
    stream.cork?.();
    this.#corked.add(stream);
    if (this.#corked.size > 1) return;
    systemRuntime.nextTurn(() => {
      for (const corked of this.#corked) corked.uncork?.();
      this.#corked.clear();
    });
  }

  mismatch(what: string): Error {
    const isFirst = !wasMismatched;
    wasMismatched = true;
    const message =
      `An answer did not belong to the query in whose turn it came (${what}), so the connection was ended, and this process ` +
      `sends no further queries ahead of answers. ${this.#queries} queries were sent so by this pool, at most ${this.#deepest} on one connection.`;
    if (isFirst) this.#report.warn({ code: 'TENURE_PIPELINE_MISMATCH', message });
    if (isFirst) this.#report.pipelineChanged?.();
    return new Error(message);
  }
}

function isPlainConfig(config: object): boolean {
  return Object.keys(config).every((key) => KNOWN.has(key) || (config as Record<string, unknown>)[key] === undefined);
}
