import { expect, it } from 'vitest';
import { restartAsStandby } from '../../support/standby.js';
import { usePostgres } from '../../support/usePostgres.js';
import { hitsOf, own, useStatements } from './support.js';

const postgres = await usePostgres();
const open = useStatements(postgres);

async function hitsOfRepeatedQuery(): Promise<number> {
  const pool = open();
  const text = own('select $1::int as n');
  for (let n = 0; n < 8; n++) expect((await pool.query(text, [n])).rows).toEqual([{ n }]);
  return hitsOf(pool);
}

it('on a standby nothing is prepared, since a change that is replayed shows nowhere', async () => {
  await restartAsStandby(postgres, true);
  expect(await postgres.admin('select pg_is_in_recovery() as is')).toEqual([{ is: true }]);
  expect(await hitsOfRepeatedQuery()).toBe(0);
  await restartAsStandby(postgres, false);
  await expect.poll(hitsOfRepeatedQuery, { interval: 300 }).toBeGreaterThan(0);
});
