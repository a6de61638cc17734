import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prismaStamp, withPrismaClient } from '@tenure/test/support/prismaClient.js';
import { compile } from '../processes/compile.js';

const SCHEMA = new URL('../../prisma/schema.prisma', import.meta.url);

/**
 * Makes the Prisma client of a schema, as one file of plain JavaScript, unless it exists. Needs no network.
 *
 * @param target `prismaClient.js` beside the compiled process that loads it
 * @param onStart called with a description of the work, if there is any, and again while that takes long
 */
export async function generateClient(
  target: URL,
  onStart: (text: string) => void,
  schema: URL = SCHEMA,
): Promise<void> {
  const stamp = `// ${await prismaStamp(schema)}`;
  if ((await firstLineOf(target)) === stamp) return;
  onStart('Generating the Prisma client, this once');
  await withPrismaClient(schema, onStart, (generated) =>
    compile(pathToFileURL(join(generated, 'client.ts')), target, { firstLine: stamp }),
  );
}

async function firstLineOf(target: URL): Promise<string | undefined> {
  const text = await readFile(target, 'utf8').catch(() => '');
  return text.split('\n', 1)[0];
}
