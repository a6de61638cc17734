import { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaPool, tenure } from '@tenure/prisma';
import type pg from 'pg';

/** What is asked of the generated client. Its own types are there only once it has been generated. */
export interface SignUpClient {
  readonly signUp: { create(args: { data: { email: string } }): Promise<{ id: number; email: string }> };
  $connect(): Promise<void>;
  $disconnect(): Promise<void>;
  $extends(extension: ReturnType<typeof tenure>): SignUpClient & { readonly $pool: PrismaPool };
}

interface Generated {
  PrismaClient: new (options: { adapter: PrismaPg }) => SignUpClient;
}

/** Beside the compiled process, which this file is a part of when it runs. */
const COMPILED = new URL('./prismaClient.js', import.meta.url);

/** A Prisma client as an app makes it. */
export async function newClient(config: pg.PoolConfig, options: { schema?: string } = {}): Promise<SignUpClient> {
  const { PrismaClient } = (await import(COMPILED.href)) as Generated;
  return new PrismaClient({ adapter: new PrismaPg(config, options) });
}

/** Whether Prisma reports a unique key that was taken. */
export function isTaken(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'P2002';
}
