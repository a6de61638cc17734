import pg from 'pg';
import { expect, it } from 'vitest';
import { restartAsStandby } from '../../support/standby.js';
import { usePostgres } from '../../support/usePostgres.js';
import { alarmsOf, examine, runDoctor } from './doctor.js';
import { load } from './scenarios.js';

const postgres = await usePostgres();

it('a hot standby is judged like any server, and said to be one', { timeout: 60_000 }, async () => {
  await restartAsStandby(postgres, true);
  const pool = new pg.Pool({ connectionString: postgres.url, max: 4 });
  pool.on('error', () => {});
  // All are open before the load, which need not want four at one moment.
  await Promise.all(Array.from({ length: 4 }, () => pool.query('select pg_sleep(0.2)')));
  const stop = load(4, 100, () => pool.query('select pg_sleep(0.02)'));
  const { code, report, stdout, stderr, ms } = await examine([postgres.superuserUrl, '--seconds', '5']);
  const text = await runDoctor([postgres.superuserUrl, '--seconds', '2']);
  await stop();
  await pool.end();
  expect({ code, alarms: alarmsOf(report) }, `${stdout}${stderr}`).toEqual({ code: 0, alarms: [] });
  expect(report).toMatchObject({ verdict: 'healthy', server: { standby: true } });
  expect(text.stdout).toContain('(hot standby)');
  expect(ms).toBeLessThan(15_000);
});
