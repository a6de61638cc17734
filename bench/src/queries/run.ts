import { generateClient } from '@tenure/replay/prisma/generate.js';
import type { Outcome } from '../bench.js';
import { startServer } from '../server.js';
import { queries } from './queries.js';
import { TABLES } from './tables.js';

const SCHEMA = new URL('../../prisma/schema.prisma', import.meta.url);
/** Beside the compiled process, which loads it. */
const PRISMA_CLIENT = new URL('../../dist/ordersClient.js', import.meta.url);
/** Thirteen contenders of ten and one who watches, and some to spare. */
const CONNECTIONS = 170;

export async function runQueries(quick: boolean): Promise<Outcome> {
  await generateClient(PRISMA_CLIENT, () => console.error('  generating the Prisma client, this once …'), SCHEMA);
  await using server = await startServer(CONNECTIONS);
  await server.run(...TABLES);
  const report = await queries(server.url, quick, (text) => console.error(`  ${text} …`));
  return { report, postgres: server.version };
}
