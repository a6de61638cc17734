import { describe, expect, it } from 'vitest';
import { adapterContract, killUnheard } from '../contract/adapterContract.js';
import { failures, runCalls } from '../contract/load.js';
import { openKnex } from '../contract/openKnex.js';
import { usePostgres } from '../support/usePostgres.js';
import { useKnex } from './support.js';

const postgres = await usePostgres();

describe('Knex with Tenure', () => {
  adapterContract(postgres, openKnex);
});

describe('Knex without Tenure, for comparison', () => {
  const { stock } = useKnex(postgres);

  it('fails queries when its idle connections have just been killed', async () => {
    const db = stock({ pool: { max: 10 } });
    await Promise.all(Array.from({ length: 10 }, () => db.raw('select pg_sleep(0.05)')));
    killUnheard(postgres);
    const failed = failures(await runCalls(100, 10, async () => db.raw('select 1')));
    expect(failed.length).toBeGreaterThan(0);
  });
});
