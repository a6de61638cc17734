import type { Adapter, Query } from '../../contract/adapterContract.js';

/** One call, from being asked to its end. */
export interface Call {
  readonly askedAt: number;
  endedAt: number;
  error: unknown;
}

/** Messages of `pg` that have no code, and Tenure's about a session in an unexpected state. */
const CODELESS = [
  "what is not PostgreSQL's protocol",
  'The session is not ready: its status is',
  'Connection terminated',
  'Query read timeout',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'received invalid response',
  'Received unexpected',
];

/** An app that lives through faults, with the books that a bystander keeps: what was asked, what became of it, who holds which connection. */
export class Subject {
  readonly calls: Call[] = [];
  /** Asked and not answered, until now. */
  readonly pending = new Set<Call>();
  /** Connections that were lent to a caller before another one had returned them. */
  lentTwice = 0;
  readonly #lent = new Set<object>();

  constructor(private readonly adapter: Adapter) {
    adapter.watchLending?.(
      (connection) => {
        if (this.#lent.has(connection)) this.lentTwice++;
        this.#lent.add(connection);
      },
      (connection) => void this.#lent.delete(connection),
    );
  }

  readonly query: Query = (sql) => this.#note(() => this.adapter.query(sql));

  transaction(work: (query: Query) => Promise<unknown>): Promise<unknown> {
    return this.#note(() => this.adapter.transaction(work));
  }

  stats() {
    return this.adapter.stats();
  }

  destroy(): Promise<unknown> {
    return this.adapter.destroy();
  }

  get answered(): Call[] {
    return this.calls.filter((call) => call.error === undefined && !this.pending.has(call));
  }

  get failed(): Call[] {
    return this.calls.filter(({ error }) => error !== undefined);
  }

  /** All errors, in the words that the app got. */
  get complaints(): string[] {
    return this.failed.map(({ error }) => String(error));
  }

  /** All errors without a reason, as text: errors of Knex and Prisma contain too much to print. */
  get unexplained(): string[] {
    return this.failed.filter(({ error }) => !isStated(error)).map(({ error }) => String(error));
  }

  /** Forgets what was asked so far. */
  turnThePage(): void {
    this.calls.length = 0;
  }

  async #note(ask: () => Promise<unknown>): Promise<unknown> {
    const call: Call = { askedAt: performance.now(), endedAt: Number.POSITIVE_INFINITY, error: undefined };
    this.calls.push(call);
    this.pending.add(call);
    try {
      return await ask();
    } catch (error) {
      call.error = error ?? new Error('rejected without a reason');
      throw error;
    } finally {
      call.endedAt = performance.now();
      this.pending.delete(call);
    }
  }
}

/** Whether an error says what has happened: by a code of PostgreSQL, the system, Prisma or Tenure, or in known words of `pg`. */
export function isStated(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string') return true;
  if (CODELESS.some((words) => error.message.includes(words))) return true;
  // Knex and Prisma put an error of their own around it.
  return error.cause !== undefined && isStated(error.cause);
}

const tookMs = ({ askedAt, endedAt }: Call): number => endedAt - askedAt;

export function longestMs(calls: readonly Call[]): number {
  return Math.max(0, ...calls.map(tookMs));
}
