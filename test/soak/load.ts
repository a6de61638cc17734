import { setTimeout as sleep } from 'node:timers/promises';
import type { Subject } from '../faults/contract/subject.js';
import type { PostgresServer } from '../support/postgres.js';
import type { Chance } from './chance.js';

/** The work of an app, and the record of what was acknowledged. */
export class Load {
  /** Rows whose insert was acknowledged. */
  readonly #acknowledged = new Set<number>();
  readonly #workers: Promise<void>[] = [];
  #rows = 0;
  #stopped = false;

  constructor(private readonly chance: Chance) {}

  static createTable({ admin }: PostgresServer) {
    return admin('create table soaked (id int primary key); alter table soaked owner to app');
  }

  start(app: Subject, workers: number): void {
    for (let worker = 0; worker < workers; worker++) this.#workers.push(this.#work(app));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  /** The number of rows that were acknowledged and are missing. */
  async lostRows({ admin }: PostgresServer): Promise<number> {
    const rows = await admin<{ id: number }>('select id from soaked');
    const there = new Set(rows.map(({ id }) => id));
    return [...this.#acknowledged].filter((id) => !there.has(id)).length;
  }

  async #work(app: Subject): Promise<void> {
    while (!this.#stopped) {
      await this.#doSomething(app).catch(() => {});
      await sleep(this.chance.between(0, 10));
    }
  }

  async #doSomething(app: Subject): Promise<void> {
    const what = this.chance.between(1, 10);
    if (what <= 4) await app.query('select 1');
    else if (what === 5) await app.query('select pg_sleep(0.05)');
    else if (what === 6) await app.query('select 1 / 0');
    else if (what <= 8) await this.#insertOne(app);
    else await this.#insertTwo(app);
  }

  async #insertOne(app: Subject): Promise<void> {
    const id = ++this.#rows;
    await app.query(insert(id));
    this.#acknowledged.add(id);
  }

  async #insertTwo(app: Subject): Promise<void> {
    const ids = [++this.#rows, ++this.#rows];
    await app.transaction(async (query) => {
      for (const id of ids) await query(insert(id));
    });
    for (const id of ids) this.#acknowledged.add(id);
  }
}

function insert(id: number): string {
  return `insert into soaked values (${id})`;
}
