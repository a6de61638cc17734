import type pg from 'pg';
import { emailSource } from '../database/signUps.js';
import { isTaken, type SignUpClient } from '../prisma/client.js';
import { ACQUIRE_TIMEOUT_MS, type Answer, type App } from './contender.js';

/** Messages of Tenure's pool and of stock `pg.Pool` when no connection was free in time. */
const WAITED_TOO_LONG = /TENURE_ACQUIRE_TIMEOUT|timeout exceeded when trying to connect/;

/** `POST /sign-ups`: inserts one row, whose email may be taken. */
export async function prismaApp(client: SignUpClient, limit: number): Promise<App> {
  const nextEmail = emailSource();
  // Loads the query compiler, as an app does at its start.
  await client.$connect();
  return {
    answer: () => signUp(client, nextEmail()),
    waitedTooLong: (error) => WAITED_TOO_LONG.test(wordsOf(error)),
    close: () => client.$disconnect(),
    limit,
  };
}

async function signUp(client: SignUpClient, email: string): Promise<Answer> {
  try {
    return { status: 201, body: await client.signUp.create({ data: { email } }) };
  } catch (error) {
    if (isTaken(error)) return { status: 409, body: { taken: email } };
    throw error;
  }
}

function wordsOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return `${code} ${message}`;
}

export function prismaConfig(url: string, max: number): pg.PoolConfig {
  return { connectionString: url, max, connectionTimeoutMillis: ACQUIRE_TIMEOUT_MS };
}
