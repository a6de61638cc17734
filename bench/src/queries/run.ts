import { builtFile } from '@tenure/replay/output/folders.js';
import { generateClient } from '@tenure/replay/prisma/generate.js';
import type { Outcome } from '../bench.js';
import { startServer } from '../server.js';
import { queries } from './queries.js';
import { TABLES } from './tables.js';

const SCHEMA = new URL('../../prisma/schema.prisma', import.meta.url);
/** The name of the file beside the compiled process, which loads it. */
const PRISMA_CLIENT = 'ordersClient.js';
const ROOT = new URL('../../', import.meta.url);
/** Ten for each of thirteen contenders, one for the observer, and some to spare. */
const CONNECTIONS = 170;

export async function runQueries(quick: boolean): Promise<Outcome> {
  await generateClient(await builtFile(PRISMA_CLIENT, ROOT), (text) => console.error(`  ${text}`), SCHEMA);
  await using server = await startServer(CONNECTIONS);
  await server.run(...TABLES);
  const report = await queries(server.url, quick, (text) => console.error(`  ${text}`));
  return { report, postgres: server.version };
}
