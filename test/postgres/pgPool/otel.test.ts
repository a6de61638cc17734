import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

async function traced(kind: string): Promise<{ spans: string[]; metrics: string[] }> {
  const script = fileURLToPath(new URL('otelScript.ts', import.meta.url));
  const flags = ['--import=tsx', '--conditions=@tenure/source', script, postgres.url, kind];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 25_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

it('what OpenTelemetry sees of pg and its pool is what it sees of the stock pool, and no question of ours', async () => {
  const [stock, tenure] = await Promise.all([traced('stock'), traced('tenure')]);
  expect(stock.spans.filter((span) => span.startsWith('pg-pool.connect'))).toHaveLength(6);
  expect(stock.metrics.length).toBeGreaterThan(1);
  // A failed query costs the stock pool its connection, and us none.
  const withoutConnects = ({ spans }: typeof stock) => spans.filter((span) => !span.startsWith('pg.connect'));
  expect(withoutConnects(tenure)).toEqual(withoutConnects(stock));
  expect(tenure.metrics).toEqual(stock.metrics);
});
