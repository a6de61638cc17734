import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { hitsOf, own, useStatements } from './support.js';

const postgres = await usePostgres();
const open = useStatements(postgres);

/** Restarts the server as a standby, or as a primary again. */
async function restartAsStandby(isStandby: boolean): Promise<void> {
  const [row] = await postgres.admin<{ folder: string }>(`select current_setting('data_directory') as folder`);
  await postgres.stopServer();
  const signal = join(row!.folder, 'standby.signal');
  await rm(signal, { force: true });
  if (isStandby) {
    await writeFile(signal, '');
    // Root has made it, for a server that runs as another user.
    const { uid, gid } = await stat(row!.folder);
    await chown(signal, uid, gid);
  }
  await postgres.startServer();
}

async function hitsOfRepeatedQuery(): Promise<number> {
  const pool = open();
  const text = own('select $1::int as n');
  for (let n = 0; n < 8; n++) expect((await pool.query(text, [n])).rows).toEqual([{ n }]);
  return hitsOf(pool);
}

it('on a standby nothing is prepared, since a change that is replayed shows nowhere', async () => {
  await restartAsStandby(true);
  expect(await postgres.admin('select pg_is_in_recovery() as is')).toEqual([{ is: true }]);
  expect(await hitsOfRepeatedQuery()).toBe(0);
  await restartAsStandby(false);
  await expect.poll(hitsOfRepeatedQuery, { interval: 300 }).toBeGreaterThan(0);
});
