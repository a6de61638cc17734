import pg from 'pg';
import type { PostgresServer } from '../support/postgres.js';
import { difference, FLAVOURS, play } from './compare.js';
import { type Host, type Kind, type PoolStats, Random, type Script, type Step } from './script.js';
import { type Flavour, OPEN } from './sessions.js';

/** Makes or changes what outlives the session, and filling the tables again does not undo. */
const LASTING = /\b(create (?!temp\b)|alter|drop (?!table if exists pg_temp)|truncate)/i;
/** Makes temporary tables, which the catalogs have rows of. */
const TEMPORARY = /\b(temp|shadow)\b/i;

/** Two databases, one for each side, on which scripts run one after the other. */
export class Lane {
  readonly #server: PostgresServer;
  readonly #kind: Kind;
  readonly #name: string;
  #generation = 0;

  private constructor(server: PostgresServer, kind: Kind, name: string) {
    this.#server = server;
    this.#kind = kind;
    this.#name = name;
  }

  static async open(server: PostgresServer, kind: Kind, name: string): Promise<Lane> {
    const lane = new Lane(server, kind, name);
    for (const flavour of FLAVOURS) {
      await server.admin(`create database ${lane.#database(flavour)} owner ${server.user}`);
      await lane.#admin(flavour, kind.schema);
    }
    return lane;
  }

  /** Runs the script of a seed on both sides. A difference is reported with the whole script. */
  async run(host: Host, seed: number): Promise<{ difference: string | undefined; stats: PoolStats }> {
    const script = this.#kind.write(new Random(seed), host);
    const [stock, tenure] = await Promise.all(FLAVOURS.map((flavour) => this.#runOn(flavour, host, script)));
    const found =
      difference(stock!.outcomes, tenure!.outcomes) ??
      (stock!.stored === tenure!.stored
        ? undefined
        : `stored\n  stock:  ${stock!.stored}\n  Tenure: ${tenure!.stored}`);
    const isLasting = hasText(script.steps, LASTING);
    if (isLasting || hasText(script.steps, TEMPORARY)) await this.#renew(isLasting);
    return {
      difference: found && `${this.#kind.name}, ${host}, DIFF_SEED=${seed}: ${found}\n${print(script)}`,
      stats: tenure!.stats!,
    };
  }

  async #runOn(flavour: Flavour, host: Host, script: Script) {
    const url = this.#url(flavour);
    await once(url, this.#kind.data);
    const side = OPEN[host](url, script, flavour);
    try {
      const outcomes = await play(side, script, (text) => once(url, text));
      return { outcomes, stats: side.stats(), stored: JSON.stringify(await this.#admin(flavour, STORED)) };
    } finally {
      await side.close();
    }
  }

  /** Makes new databases, because Tenure stops preparing on one whose schema changes all the time, which is not the subject of the scripts. */
  async #renew(isLasting: boolean): Promise<void> {
    for (const flavour of FLAVOURS) {
      const { user } = this.#server;
      const again = `${DROP_ALL}; create schema public authorization ${user}; ${this.#kind.schema}`;
      if (isLasting) await this.#admin(flavour, again);
      const name = this.#database(flavour);
      await this.#server.admin(`alter database ${name} rename to ${this.#database(flavour, this.#generation + 1)}`);
    }
    this.#generation++;
  }

  #database(flavour: Flavour, generation = this.#generation): string {
    return `${flavour}_${this.#name}_${generation}`;
  }

  #url(flavour: Flavour, of = this.#server.url): string {
    return of.replace(/\/[^/]*$/, `/${this.#database(flavour)}`);
  }

  #admin(flavour: Flavour, sql: string): Promise<unknown[]> {
    return once(this.#url(flavour, this.#server.superuserUrl), sql);
  }
}

/** All rows of all tables, as the server prints them. */
const STORED = `select n.nspname, c.relname, query_to_xml(format('select t::text from %I.%I t order by 1', n.nspname, c.relname), true, true, '') as rows
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)' order by 1, 2`;

const DROP_ALL = `do $$ declare name text; begin
  for name in select nspname from pg_namespace where nspname !~ '^(pg_|information_schema)' loop
    execute format('drop schema %I cascade', name);
  end loop; end $$`;

/** Runs SQL on a connection of its own, like another process. */
async function once(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  try {
    const result = await client.query(sql);
    return [result].flat().at(-1)!.rows;
  } finally {
    await client.end();
  }
}

function hasText(steps: readonly Step[], pattern: RegExp): boolean {
  return steps.some((step) =>
    'steps' in step ? hasText(step.steps, pattern) : 'text' in step && pattern.test(step.text),
  );
}

function print({ steps, connections, policy }: Script): string {
  const lines = (of: readonly Step[], indent: string): string[] =>
    of.flatMap((step) => {
      if (!('steps' in step)) return [indent + JSON.stringify(step)];
      const end = 'end' in step ? [indent + step.end] : [];
      return [indent + step.do, ...lines(step.steps, `${indent}  `), ...end];
    });
  return [`${connections} connections, ${JSON.stringify(policy)}`, ...lines(steps, '  ')].join('\n');
}
