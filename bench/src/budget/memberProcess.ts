import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import { answerQuestions } from '../askedProcess.js';

/** One process of a fleet. It starts a load, is measured during it, and ends it. */

export interface Load {
  /** Slots of all processes together; with `none` each has its maximum and no budget. */
  readonly budget: number | 'none';
  readonly max: number;
  readonly callers: number;
  readonly useMs: number;
}

export type Question = { readonly begin: Load } | { readonly measureMs: number } | { readonly end: true };

/** The figures of one process. */
export interface Figures {
  readonly ms: number;
  readonly cpuMs: number;
  /** Statements of the budget. */
  readonly statements: number;
  readonly opened: number;
  readonly connections: number;
}

const [url] = process.argv.slice(2);
// The process begins as a guest, which is measured here.
process.removeAllListeners('warning');
let statements = 0;
countStatements();
let pool: Pool | undefined;
let calls: Promise<unknown> | undefined;
let isOver = false;

answerQuestions<Question, Figures | null>(async (question) => {
  if ('begin' in question) begin(question.begin);
  if ('measureMs' in question) return measure(question.measureMs);
  if ('end' in question) await end();
  return null;
});

function begin({ budget, max, callers, useMs }: Load): void {
  isOver = false;
  const opened = new Pool({ connectionString: url, max, policy: { budget } });
  opened.on('error', () => {});
  const call = async () => {
    while (!isOver) await opened.query('select pg_sleep($1)', [useMs / 1_000]);
  };
  pool = opened;
  calls = Promise.all(Array.from({ length: callers }, call));
}

async function measure(forMs: number): Promise<Figures> {
  const before = { at: performance.now(), cpu: process.cpuUsage(), statements, opened: pool!.stats().opened };
  await sleep(forMs);
  const { user, system } = process.cpuUsage(before.cpu);
  const { opened, used, idle, budget } = pool!.stats();
  return {
    ms: performance.now() - before.at,
    cpuMs: (user + system) / 1_000,
    statements: statements - before.statements,
    opened: opened - before.opened,
    connections: budget?.slots ?? used + idle,
  };
}

async function end(): Promise<void> {
  isOver = true;
  await calls;
  await pool!.end();
}

/** The method by which `pg` sends a text. The budget marks its statements. */
function countStatements(): void {
  const { query } = pg.Connection.prototype;
  pg.Connection.prototype.query = function (this: pg.Connection, text: string) {
    if (text.startsWith('/* tenure: budget */')) statements++;
    return query.call(this, text);
  };
}
