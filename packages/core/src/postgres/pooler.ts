import type { Policy } from '../policy/policy.js';
import { type PoolerKind, sharesSessions } from '../pool/connector.js';
import type { PoolWarning } from '../pool/messages.js';
import { onSubmit } from './patches.js';
import { isPreparing, type PgClient, textOf } from './pgTypes.js';
import { settle } from './reset.js';
import { roundTrip } from './session.js';

/**
 * What needs a session that stays the same between two transactions, by the text that asks for it, as PgBouncer's documentation lists it. Settings that
 * PgBouncer itself keeps for each of its clients are left out.
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

/** What a query meets when its session is not the one that it counts on, by SQLSTATE. Some of these mean that only once the feature was used. */
const SYMPTOMS: { readonly [code: string]: { readonly feature: string; readonly after?: Feature } } = {
  '26000': { feature: 'A prepared statement' },
  '42P05': { feature: 'A prepared statement' },
  '34000': { feature: 'A cursor outside of its transaction' },
  '42P01': { feature: 'A temporary table', after: 'A temporary table' },
  '42704': { feature: 'SET', after: 'SET' },
};

/** What PgBouncer says, which it never translates, and what to do. Read in 1.18. */
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

/** PgBouncer has no server to give, and says so to whatever query comes: it still accepts connects. */
const NO_SERVER = ['server login has been failing', 'pgbouncer cannot connect to server'];

/** An error that a server reports. `pg` has the field `hint` in each, mostly undefined. */
interface Hinted extends Error {
  readonly code?: unknown;
  hint?: string | undefined;
}

/**
 * What is between the connections of one pool and the server, as the policy says or as the first connection shows: the one place that has the
 * answer.
 */
export class Pooler {
  readonly #warn: (warning: PoolWarning) => void;
  readonly #resetsSessions: boolean;
  readonly #used = new Set<Feature>();
  #kind: PoolerKind;
  /** The policy says it, or it was proved: process IDs are not compared any more. */
  #isSettled: boolean;
  #wasAsked = false;
  /** The pooler has refused a query for want of a server: a new connection proves nothing until a query is answered on it. */
  #lacksServer = false;

  constructor({ pooler, reset }: Policy, warn: (warning: PoolWarning) => void) {
    this.#warn = warn;
    this.#resetsSessions = reset === 'session';
    this.#isSettled = pooler !== 'auto';
    this.#kind = pooler === 'auto' ? 'unknown' : pooler;
  }

  /** Of the connection that was checked last. */
  get kind(): PoolerKind {
    return this.#kind;
  }

  /** To be called before the client connects, so that the errors of its login and the texts of its set-up are seen. */
  observe(client: PgClient): void {
    client.connection?.on('errorMessage', (error: Hinted) => this.#explain(error));
    if (sharesSessions(this.#kind)) this.#watchTexts(client);
  }

  /**
   * Checks the first client of a pool, which has connected and is set up, for one round trip; and each new one while the pooler lacks a server.
   * Rejects when the client cannot be used.
   *
   * @returns what is known of this client
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
   * Judges a client by the process ID that the server gives. A pooler gives its clients process IDs of its own. A server without process IDs is no
   * plain PostgreSQL, and counts as a pooler.
   *
   * @returns what is known of this client
   */
  compare({ processID }: PgClient, backend: unknown): PoolerKind {
    if (!this.#isSettled) this.#kind = Number(backend) === processID ? 'none' : 'detected';
    return this.#noteReset();
  }

  /** A statement is missing on the connection on which it was prepared: its session has changed. What the policy says stays. */
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

  /** Gives an error that a pooler causes a hint, unless the server gave one. */
  #explain(error: Hinted): void {
    // Without a pooler the same words are the app's own, as in RAISE EXCEPTION.
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

  /** Warns of what cannot work, once for each feature. */
  #note(feature: Feature): void {
    if (this.#used.has(feature)) return;
    this.#used.add(feature);
    const isSure = this.#kind === 'transaction';
    const otherwise = isSure ? '' : ' If this pooler keeps one session for each connection, set CONN_POOLER=session.';
    this.#warn({ code: 'TENURE_POOLER', message: `${feature} ${WHY}${otherwise}` });
  }
}

/** The process ID of the backend; `undefined` where the server answers and gives none. */
async function backendOf(client: PgClient, signal: AbortSignal): Promise<unknown> {
  try {
    const { rows } = await roundTrip(client, 'select pg_backend_pid() as pid', signal);
    return rows[0]?.pid;
  } catch (error) {
    if (signal.aborted) throw error;
    // After a FATAL error the end follows, and not ReadyForQuery.
    await settle(client, signal);
    return undefined;
  }
}
