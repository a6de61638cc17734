import type { Counters, Sample, Session, Statement } from '../sample/sample.js';
import { masked } from './mask.js';
import { COUNTERS, NAMES, SESSIONS, STATEMENTS } from './queries.js';

/** Runs queries in one read-only transaction, and resolves to the rows of each, as arrays. */
export type Ask = (...questions: string[]) => Promise<unknown[][][]>;

/** The doctor’s `application_name`. */
export const OWN_NAME = 'tenure-doctor';
const STATEMENTS_EVERY_MS = 3_000;

/** Takes samples of one server, one after the other. */
export class SampleReader {
  #names: Names = { databases: {}, roles: {} };
  #statementsAt = Number.NEGATIVE_INFINITY;

  /** @param ownTransactions transactions that the doctor ran before this sample */
  async read(ask: Ask, ownTransactions: number, pooler: boolean): Promise<Sample> {
    const withStatements = performance.now() >= this.#statementsAt;
    const questions = withStatements ? [COUNTERS, SESSIONS, STATEMENTS] : [COUNTERS, SESSIONS];
    const [counted, rows, statements] = await ask(...questions);
    if (withStatements) this.#statementsAt = performance.now() + STATEMENTS_EVERY_MS;
    await this.#learnNames(ask, rows as SessionRow[]);
    return {
      ...(counted![0]![0] as CountersRow),
      ownTransactions,
      sessions: (rows as SessionRow[]).flatMap((row) => this.#sessionOf(row, pooler)),
      ...(statements ? { statements: statementsOf(statements as StatementRow[]) } : {}),
    };
  }

  async #learnNames(ask: Ask, rows: readonly SessionRow[]): Promise<void> {
    const { databases, roles } = this.#names;
    const isNew = ({ 2: role, 3: database }: SessionRow) =>
      (role !== null && roles[role] === undefined) || (database !== null && databases[database] === undefined);
    if (!rows.some(isNew)) return;
    const [names] = await ask(NAMES);
    const found = names![0]![0] as Names;
    this.#names = { databases: { ...databases, ...found.databases }, roles: { ...roles, ...found.roles } };
  }

  #sessionOf(row: SessionRow, pooler: boolean): Session[] {
    const [pid, startedAt, role, database, application, address, state, stateAt, transactionAt, waitEvent] = row;
    const [blockedBy, untouched, own] = row.slice(10) as [string | null, boolean, boolean];
    // Behind a pooler, the doctor's backend serves the app as well.
    if (own && !pooler) return [];
    const { databases, roles } = this.#names;
    return [
      {
        pid,
        startedAt: numberOf(startedAt),
        user: role === null || role === 0 ? null : (roles[role] ?? `role ${role}`),
        database: database === null ? null : (databases[database] ?? null),
        // A backend that a pooler has lent to the doctor keeps the doctor’s name.
        application: pooler && application === OWN_NAME ? '' : (application ?? ''),
        address,
        state,
        stateAt: numberOf(stateAt),
        transactionAt: numberOf(transactionAt),
        waitEvent,
        blockedBy: blockedBy ? blockedBy.split(',').map(Number) : [],
        untouched,
        own,
      },
    ];
  }
}

interface Names {
  databases: Record<string, string>;
  roles: Record<string, string>;
}

interface CountersRow {
  at: number;
  bootAt: number;
  counters: Record<string, Counters>;
}

/** The start, and when state and transaction began, are 64-bit numbers, which arrive as text. */
type SessionRow = [
  pid: number,
  startedAt: string | null,
  role: number | null,
  database: number | null,
  application: string | null,
  address: string | null,
  state: string | null,
  stateAt: string | null,
  transactionAt: string | null,
  waitEvent: string | null,
  blockedBy: string | null,
  untouched: boolean,
  own: boolean,
];

type StatementRow = [pid: number, text: string, horizonAge: number | null];

function statementsOf(rows: readonly StatementRow[]): Record<string, Statement> {
  return Object.fromEntries(rows.map(([pid, text, horizonAge]) => [pid, { text: masked(text), horizonAge }]));
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text);
}
