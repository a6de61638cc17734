import { Pool } from '@tenure/core/pg';
import { tenure } from '@tenure/prisma';
import { isTaken, newClient, type SignUpClient } from '@tenure/replay/prisma/client.js';
import pg from 'pg';
import { PAIRS } from './pairs.js';

/** A way to insert a row whose email may be taken. */
export interface Contender {
  readonly name: string;
  /** Resolves also when the email is taken; rejects on any other error. */
  signUp(email: string): Promise<void>;
  close(): Promise<unknown>;
}

const UNIQUE_VIOLATION = '23505';
/** The most connections of each contender. All other settings have their defaults. */
const MAX = 10;

const [ON_PG, ON_PRISMA] = PAIRS;

export async function openContenders(url: string): Promise<Contender[]> {
  const config = { connectionString: url, max: MAX };
  const stock = await newClient(config);
  // A target of its own: otherwise it would share one limit with the other contender on Tenure.
  const ours = (await newClient({ ...config, application_name: ON_PRISMA.ours })).$extends(tenure());
  return [
    withPool(ON_PG.stock, new pg.Pool(config)),
    withPool(ON_PG.ours, new Pool(config)),
    withPrisma(ON_PRISMA.stock, stock),
    withPrisma(ON_PRISMA.ours, ours),
  ];
}

function withPool(name: string, pool: pg.Pool): Contender {
  return {
    name,
    signUp: async (email) => {
      await pool.query('insert into sign_ups (email) values ($1) returning id, email', [email]).catch(unlessTaken);
    },
    close: () => pool.end(),
  };
}

function unlessTaken(error: { code?: unknown }): void {
  if (error.code !== UNIQUE_VIOLATION) throw error;
}

function withPrisma(name: string, client: SignUpClient): Contender {
  return {
    name,
    signUp: async (email) => {
      try {
        await client.signUp.create({ data: { email } });
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    },
    close: () => client.$disconnect(),
  };
}
