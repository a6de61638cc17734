import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CannotStartError, describeCause } from '../support/cannotStart.js';
import { prismaStamp, withPrismaClient } from '../support/prismaClient.js';
import { showOnStderr } from '../support/step.js';

const SCHEMA = new URL('./schema.prisma', import.meta.url);
const TARGET = new URL('./generated/', import.meta.url);
/** Written last: without it, what is there may be half of a client. */
const STAMP = new URL('stamp', TARGET);

/** Generates the Prisma client of the tests, unless it is there already. Needs no network. */
export default async function generate(): Promise<void> {
  const stamp = await prismaStamp(SCHEMA);
  if ((await readFile(STAMP, 'utf8').catch(() => '')) === stamp) return;
  await withPrismaClient(SCHEMA, showOnStderr, async (generated) => {
    try {
      await rm(TARGET, { recursive: true, force: true });
      await cp(generated, TARGET, { recursive: true });
      await writeFile(STAMP, stamp);
    } catch (error) {
      const folder = fileURLToPath(TARGET);
      const why = describeCause(error, {
        folder,
        elsewhere: 'The tests import it from there: run them in a checkout that you may write to.',
      });
      throw new CannotStartError(`The Prisma client of the tests cannot be written to ${folder}`, why);
    }
  });
}
