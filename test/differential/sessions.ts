import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from '@tenure/core/pg';
import { poolOf, tenure as tenureKnex } from '@tenure/knex';
import { tenure as tenurePrisma } from '@tenure/prisma';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { PrismaClient } from '../prisma/generated/client.js';
import type { Host, PoolStats, Script } from './script.js';

export interface Session {
  /** The rows, and the rest of a result that an app sees. */
  query(text: string, values?: readonly unknown[]): Promise<unknown>;
  transaction(work: (session: Session) => Promise<void>): Promise<void>;
}

/** One side of a comparison: a pool of a host, on a database of its own. */
export interface Side extends Session {
  session(work: (session: Session) => Promise<void>): Promise<void>;
  /** The statistics of Tenure's pool; nothing for a stock one. */
  stats(): PoolStats | undefined;
  close(): Promise<unknown>;
}

export type Flavour = 'stock' | 'tenure';

type Opener = (url: string, script: Script, flavour: Flavour) => Side;

export const OPEN: Record<Host, Opener> = { pool: openPool, knex: openKnex, prisma: openPrisma };

function openPool(url: string, { connections: max, policy }: Script, flavour: Flavour): Side {
  const config = { connectionString: url, max };
  const pool = flavour === 'stock' ? new pg.Pool(config) : new Pool({ ...config, policy });
  pool.on('error', () => {});
  const queryOn = (client: pg.Pool | pg.PoolClient): Pick<Session, 'query'> => ({
    async query(text, values) {
      const result = await (values ? client.query(text, [...values]) : client.query(text));
      return [result].flat().map(({ rows, fields, command, rowCount }) => {
        // Types that the script makes have other numbers in each database.
        const columns = fields.map(({ name, dataTypeID, format }) => [
          name,
          dataTypeID < 16_384 ? dataTypeID : 0,
          format,
        ]);
        return { rows, columns, command, rowCount };
      });
    },
  });
  const on = (client: pg.PoolClient): Session => ({
    ...queryOn(client),
    async transaction(work) {
      await client.query('begin');
      try {
        await work(on(client));
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    },
  });
  const session: Side['session'] = async (work) => {
    const client = await pool.connect();
    await work(on(client)).finally(() => client.release());
  };
  return {
    ...queryOn(pool),
    session,
    transaction: (work) => session((one) => one.transaction(work)),
    stats: () => (pool instanceof Pool ? { ...pool.stats() } : undefined),
    close: () => (pool instanceof Pool ? pool.drain(0) : pool.end()),
  };
}

function openKnex(url: string, { connections: max, policy }: Script, flavour: Flavour): Side {
  const log = { warn: () => {}, error: () => {}, debug: () => {}, deprecate: () => {} };
  const config: Knex.Config = { client: 'pg', connection: url, pool: { min: 0, max }, log };
  const db = knex(flavour === 'stock' ? config : tenureKnex(config, policy));
  const on = (builder: Knex, connection?: unknown): Session => ({
    async query(text, values) {
      const raw = values ? builder.raw(withQuestionMarks(text), inOrder(text, values) as never) : builder.raw(text);
      const result = await (connection ? raw.connection(connection) : raw);
      return [result].flat().map(({ rows, command, rowCount }) => ({ rows, command, rowCount }));
    },
    transaction: (work) => builder.transaction((trx) => work(on(trx)), { connection } as Knex.TransactionConfig),
  });
  return {
    ...on(db),
    async session(work) {
      const connection = await db.client.acquireConnection();
      await work(on(db, connection)).finally(() => db.client.releaseConnection(connection));
    },
    stats: () => (flavour === 'stock' ? undefined : { ...poolOf(db).stats() }),
    close: () => db.destroy(),
  };
}

const PLACE = /\$(\d+)/g;

/** Knex's form of parameters; a question mark of the text's own is escaped. */
function withQuestionMarks(text: string): string {
  return text.replaceAll('?', '\\?').replaceAll(PLACE, '?');
}

function inOrder(text: string, values: readonly unknown[]): unknown[] {
  return [...text.matchAll(PLACE)].map(([, number]) => values[Number(number) - 1] ?? null);
}

function openPrisma(url: string, { connections: max, policy }: Script, flavour: Flavour): Side {
  const stock = new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max }) });
  const extended = flavour === 'stock' ? undefined : stock.$extends(tenurePrisma(policy));
  const prisma = (extended ?? stock) as typeof stock;
  const on = (client: Pick<typeof stock, '$queryRawUnsafe'>): Session => ({
    query: (text, values = []) => client.$queryRawUnsafe(text, ...values),
    transaction: (work) => prisma.$transaction((tx) => work(on(tx)), { maxWait: 30_000, timeout: 30_000 }),
  });
  return {
    ...on(prisma),
    session: (work) => work(on(prisma)),
    stats: () => extended && { ...extended.$pool.stats() },
    close: () => prisma.$disconnect(),
  };
}
