import { signUpsTable } from '@tenure/replay/database/signUps.js';
import { builtFile } from '@tenure/replay/output/folders.js';
import { generateClient } from '@tenure/replay/prisma/generate.js';
import type { Outcome } from '../bench.js';
import { measure } from '../measured.js';
import { startServer } from '../server.js';

/** The name of the file beside the compiled process, which loads it. */
const PRISMA_CLIENT = 'prismaClient.js';
const ROOT = new URL('../../', import.meta.url);

export async function runErrors(quick: boolean): Promise<Outcome> {
  await generateClient(await builtFile(PRISMA_CLIENT, ROOT), (text) => console.error(`  ${text}`));
  await using server = await startServer();
  await server.run(signUpsTable('public'));
  return { report: await measure({ part: 'errors', quick, url: server.url }), postgres: server.version };
}
