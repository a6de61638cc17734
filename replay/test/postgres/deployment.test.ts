import { execFile } from 'node:child_process';
import { devNull } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { usePostgres } from '@tenure/test/support/usePostgres.js';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const RUN = ['--conditions=@tenure/source', '--import', 'tsx', 'replay/src/main.ts'];
const OPTIONS = ['--quick', '--only', 'stock-deployment,tenure-deployment', '--report', devNull];

const postgres = await usePostgres({ maxConnections: 100 });

test('a deployment doubles the processes: the server refuses stock Knex, and Tenure keeps all its promises within its budget', async () => {
  const { CONN_BUDGET: _, ...env } = process.env;
  // It ends with an error if a promise is broken, and names the promise.
  const { stdout } = await promisify(execFile)(process.execPath, [...RUN, ...OPTIONS], {
    cwd: ROOT,
    env: { ...env, DATABASE_URL: postgres.url },
  }).catch((error) => expect.fail(`${error.stdout}\n${error.stderr}`));
  expect(stdout).toMatch(/^Knex 8, then 16 × 10: up to 9\d of 100 connections, [\d,]+ connects refused/m);
  expect(stdout).toMatch(/^Tenure 8, then 16 × 10, budget 40: up to 4\d of 100 connections, /m);
  expect(stdout).toContain('connections at most (≤ 48 expected)');
  expect(stdout).toContain('0 requests failed (0 expected)');
}, 180_000);
