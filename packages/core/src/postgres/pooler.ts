import type { Policy } from '../policy/policy.js';
import { type PoolerKind, sharesSessions } from '../pool/connector.js';
import type { PoolWarning } from '../pool/messages.js';
import { onSubmit } from './patches.js';
import { isPreparing, type PgClient, textOf } from './pgTypes.js';
import { settle } from './reset.js';
import { roundTrip } from './session.js';

/**
 * Features that need the same session in two transactions, with the text that uses each, by PgBouncer's documentation. Settings
 * that PgBouncer keeps for each of its clients are left out.
 */
const FEATURES = {
  LISTEN: /^\s*listen\b/i,
  SET: /^\s*set\s+(?:session\s+(?!characteristics))?(?!local\b|transaction\b|constraints\b|names\b|client_encoding\b|datestyle\b|time\s?zone\b|standard_conforming_strings\b|application_name\b)/i,
  'A session lock': /\bpg_(?:try_)?advisory_lock(?:_shared)?\s*\(/i,
  PREPARE: /^\s*prepare\s+(?!transaction\b)/i,
  'A temporary table': /\bcreate\s+(?:global\s+|local\s+)?temp(?:orary)?\b(?!.*\bon\s+commit\s+drop\b)/is,
  'A cursor WITH HOLD': /\bdeclare\b.*\bwith\s+hold\b/is,
} as const;

type Feature = keyof typeof FEATURES | 'CONN_RESET=session';

const SENT_AS_TEXT = Object.entries(FEATURES) as [keyof typeof FEATURES, RegExp][];

const WHY =
  'needs a session of its own, and a pooler in transaction mode may run the next transaction on another session. ' +
  'Use a connection without the pooler for it, or a pooler in session mode (docs/poolers.md).';

/** Errors of queries whose session is not the expected one, by SQLSTATE. Some of them mean that only once the feature was used. */
const SYMPTOMS: { readonly [code: string]: { readonly feature: string; readonly after?: Feature } } = {
  '26000': { feature: 'A prepared statement' },
  '42P05': { feature: 'A prepared statement' },
  '34000': { feature: 'A cursor outside of its transaction' },
  '42P01': { feature: 'A temporary table', after: 'A temporary table' },
  '42704': { feature: 'SET', after: 'SET' },
};

/** PgBouncer's messages, which it never translates, and what to do. Read in 1.18. */
const REFUSALS: readonly (readonly [beginning: string, hint: string])[] = [
  [
    'unsupported startup parameter',
    'The pooler refuses this setting at the start of a session. Give it to the role (ALTER ROLE … SET), or name it in ignore_startup_parameters of PgBouncer, which then ignores it.',
  ],
  [
    'query_wait_timeout',
    'The pooler had no server connection free within its query_wait_timeout: its default_pool_size is too small for this load, or the server is away. The query was not run.',
  ],
];

/** PgBouncer has no server for a query, whatever it is. It still accepts connects. */
const NO_SERVER = ['server login has been failing', 'pgbouncer cannot connect to server'];

/** An error that the server reported. `pg` sets `hint` on each, mostly to undefined. */
interface Hinted extends Error {
  readonly code?: unknown;
  hint?: string | undefined;
}

/** What is between the connections of one pool and the server, by the policy or by the first connection. No other part of the pool decides this. */
export class Pooler {
  readonly #warn: (warning: PoolWarning) => void;
  readonly #resetsSessions: boolean;
  readonly #used = new Set<Feature>();
  #kind: PoolerKind;
  /** Set when the policy says it, or it was proved: process IDs are not compared any more. */
  #isSettled: boolean;
  #wasAsked = false;
  /** Set when the pooler has refused a query because it had no server: a new connection proves nothing until a query is answered on it. */
  #lacksServer = false;

  constructor({ pooler, reset }: Policy, warn: (warning: PoolWarning) => void) {
    this.#warn = warn;
    this.#resetsSessions = reset === 'session';
    this.#isSettled = pooler !== 'auto';
    this.#kind = pooler === 'auto' ? 'unknown' : pooler;
  }

  /** The kind of the connection that was checked last. */
  get kind(): PoolerKind {
    return this.#kind;
  }

  /** Call this before the client connects, so that it gets the errors of its login and the texts of its set-up. */
  observe(client: PgClient): void {
    client.connection?.on('errorMessage', (error: Hinted) => this.#explain(error));
    if (sharesSessions(this.#kind)) this.#watchTexts(client);
  }

  /**
   * Checks the first client of a pool, after its connect and set-up, for one round trip. While the pooler lacks a server, checks
   * each new client. Rejects when the client cannot be used.
   *
   * @returns the result for this client
   */
  async detect(client: PgClient, signal: AbortSignal): Promise<PoolerKind> {
    // A native client has no process ID to compare.
    const isFirst = !this.#isSettled && !this.#wasAsked && client.processID != null;
    if (!isFirst && !this.#lacksServer) return this.#isSettled ? this.#noteReset() : 'unknown';
    this.#wasAsked = true;
    try {
      const kind = this.compare(client, await backendOf(client, signal));
      this.#lacksServer = false;
      if (isFirst && sharesSessions(kind)) this.#watchTexts(client);
      return kind;
    } catch (error) {
      if (isFirst) this.#wasAsked = false;
      throw error;
    }
  }

  /**
   * Judges a client by the process ID of its backend. A pooler gives its clients process IDs of its own. A server without process
   * IDs is no plain PostgreSQL, and counts as a pooler.
   *
   * @returns the result for this client
   */
  compare({ processID }: PgClient, backend: unknown): PoolerKind {
    if (!this.#isSettled) this.#kind = Number(backend) === processID ? 'none' : 'detected';
    return this.#noteReset();
  }

  /**
   * Called when a statement is missing on the connection on which it was prepared, which proves that its session has changed. The
   * policy's own answer stays.
   */
  prove(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#kind = 'transaction';
  }

  #noteReset(): PoolerKind {
    if (this.#resetsSessions && sharesSessions(this.#kind)) this.#note('CONN_RESET=session');
    return this.#kind;
  }

  #watchTexts(client: PgClient): void {
    if (!isPreparing(client)) return;
    onSubmit(client, {
      before: (query) => {
        const text = textOf(query);
        if (text === undefined) return;
        for (const [feature, pattern] of SENT_AS_TEXT) if (pattern.test(text)) this.#note(feature);
      },
    });
  }

  /** Adds a hint to an error that a pooler causes, unless the server gave one. */
  #explain(error: Hinted): void {
    // Without a pooler the same words are the app's own, for example from RAISE EXCEPTION.
    if (this.#kind === 'none') return;
    const { message } = error;
    this.#lacksServer ||= NO_SERVER.some((beginning) => message.startsWith(beginning));
    const hint = REFUSALS.find(([beginning]) => message.startsWith(beginning))?.[1] ?? this.#symptomOf(error);
    if (hint !== undefined) error.hint ??= hint;
  }

  #symptomOf({ code }: Hinted): string | undefined {
    const { feature, after } = SYMPTOMS[String(code)] ?? {};
    const isMeant =
      feature !== undefined && sharesSessions(this.#kind) && (after === undefined || this.#used.has(after));
    return isMeant ? `${feature} ${WHY}` : undefined;
  }

  /** Warns about features that cannot work, once for each. */
  #note(feature: Feature): void {
    if (this.#used.has(feature)) return;
    this.#used.add(feature);
    const isSure = this.#kind === 'transaction';
    const otherwise = isSure ? '' : ' If this pooler keeps one session for each connection, set CONN_POOLER=session.';
    this.#warn({ code: 'TENURE_POOLER', message: `${feature} ${WHY}${otherwise}` });
  }
}

/** The process ID of the backend; `undefined` if the server answers and gives none. */
async function backendOf(client: PgClient, signal: AbortSignal): Promise<unknown> {
  try {
    const { rows } = await roundTrip(client, 'select pg_backend_pid() as pid', signal);
    return rows[0]?.pid;
  } catch (error) {
    if (signal.aborted) throw error;
    // A FATAL error is followed by the end of the connection, not by ReadyForQuery.
    await settle(client, signal);
    return undefined;
  }
}
