import { PrismaPg } from '@prisma/adapter-pg';
import type { PrismaPool, tenure } from '@tenure/prisma';
import type pg from 'pg';

/** The part of the generated client that is used here. Its own types exist only once it has been generated. */
export interface SignUpClient {
  readonly signUp: { create(args: { data: { email: string } }): Promise<{ id: number; email: string }> };
  $connect(): Promise<void>;
  $disconnect(): Promise<void>;
  $extends(extension: ReturnType<typeof tenure>): SignUpClient & { readonly $pool: PrismaPool };
}

interface Generated {
  PrismaClient: new (options: { adapter: PrismaPg }) => SignUpClient;
}

/** The file beside the compiled process, which contains this file when it runs. */
const COMPILED = new URL('./prismaClient.js', import.meta.url);

/** A Prisma client as an app makes one. */
export async function newClient(config: pg.PoolConfig, options: { schema?: string } = {}): Promise<SignUpClient> {
  const { PrismaClient } = (await import(COMPILED.href)) as Generated;
  return new PrismaClient({ adapter: new PrismaPg(config, options) });
}

/** Whether Prisma reports a violated unique key. */
export function isTaken(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'P2002';
}
