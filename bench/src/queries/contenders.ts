import { stockKnex, tenureKnex, validatingKnex } from './knexContenders.js';
import type { Name } from './names.js';
import { postgresJs, rawClients, stockPool, tenurePool } from './pgContenders.js';
import { namingPrisma, stockPrisma, tenurePrisma } from './prismaContenders.js';
import type { Contender } from './workloads.js';

/** Off by default: see docs/statements.md. */
const WRITES_TOO = { statementsForWrites: true };

const OPEN: Record<Name, (name: Name, url: string) => Contender | Promise<Contender>> = {
  'pg.Pool': stockPool,
  'Tenure Pool': tenurePool,
  'Tenure Pool, writes too': (name, url) => tenurePool(name, url, WRITES_TOO),
  'raw clients, unnamed': (name, url) => rawClients(name, url, false),
  'raw clients, named': (name, url) => rawClients(name, url, true),
  'postgres.js': postgresJs,
  Knex: stockKnex,
  'Knex + select 1': validatingKnex,
  'Knex + Tenure': tenureKnex,
  'Knex + Tenure, writes too': (name, url) => tenureKnex(name, url, WRITES_TOO),
  Prisma: stockPrisma,
  'Prisma + name generator': namingPrisma,
  'Prisma + Tenure': tenurePrisma,
};

/** The target with a name, so that the server can attribute sessions to contenders. */
function targetOf(name: string, url: string): string {
  const target = new URL(url);
  target.searchParams.set('application_name', name);
  return target.href;
}

export async function openContender(name: Name, url: string): Promise<Contender> {
  return OPEN[name](name, targetOf(name, url));
}
