import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

// Runs the scripts for apps with other instrumentations, in processes of their own: these change the modules of the process that they watch.

vi.setConfig({ testTimeout: 60_000 });

const postgres = await usePostgres();

/** The first code in the documentation that has this in it. */
async function printed(path: string, part: string): Promise<string> {
  const text = await readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const snippets = Array.from(text.matchAll(/^```js\n(.*?)^```/gms), ([, code]) => code!);
  return snippets.find((code) => code.includes(part))!;
}

/** @returns what the script printed last, as JSON */
async function run(script: string) {
  const flags = ['--conditions=@tenure/source', '--import=tsx', '--input-type=module', '--eval', script];
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, timeout: 50_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** Which instrumentation publishes which metric, in an app that watches `pg` as well. */
async function publishers(makeMeterProvider: string): Promise<Record<string, string[]>> {
  return run(`
    import { createRequire } from 'node:module';
    import { AggregationTemporality, InMemoryMetricExporter, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
    ${makeMeterProvider}
    const require = createRequire(import.meta.url);
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    const meterProvider = withReader(reader);
    const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg');
    const instrumentation = new PgInstrumentation();
    instrumentation.setMeterProvider(meterProvider);
    instrumentation.enable();
    require('pg');
    const { Pool } = await import('@tenure/core/pg');
    const { instrument } = await import('@tenure/otel');
    const pool = new Pool({ connectionString: ${JSON.stringify(postgres.url)}, max: 2 });
    const stop = instrument(pool, { meterProvider });
    await Promise.all([pool.query('select 1'), pool.query('select 2'), pool.query('select 3')]);
    await reader.forceFlush();
    const published = {};
    for (const { scopeMetrics } of exporter.getMetrics())
      for (const { scope, metrics } of scopeMetrics)
        for (const { descriptor } of metrics) (published[descriptor.name] ??= []).push(scope.name);
    await pool.end();
    stop();
    await meterProvider.shutdown();
    console.log(JSON.stringify(published));
  `);
}

const OURS = '@tenure/otel';
const THEIRS = '@opentelemetry/instrumentation-pg';

it('beside instrumentation-pg, the printed view leaves each metric of the pool once, and its others alone', async () => {
  const both = await publishers(`
    import { MeterProvider } from '@opentelemetry/sdk-metrics';
    const withReader = (reader) => new MeterProvider({ readers: [reader] });
  `);
  expect(both['db.client.connection.count']!.sort()).toEqual([THEIRS, OURS]);
  expect(both['db.client.connection.pending_requests']!.sort()).toEqual([THEIRS, OURS]);
  const view = await printed('packages/otel/README.md', 'AggregationType.DROP');
  const ours = await publishers(
    view
      .replace('const meterProvider = ', 'const withReader = (reader) => ')
      .replace('new MeterProvider({', 'new MeterProvider({ readers: [reader],'),
  );
  const pool = Object.entries(ours).filter(([name]) => name.startsWith('db.client.connection.'));
  expect(pool).toHaveLength(10);
  expect(pool.filter(([, scopes]) => scopes.join() !== OURS)).toEqual([]);
  expect(ours['db.client.operation.duration']).toEqual([THEIRS]);
});

it('the printed recipe for prom-client publishes what stats() says, also after a second collection', async () => {
  const { text, stats } = await run(`
    import { register } from 'prom-client';
    import { Pool } from '@tenure/core/pg';
    const pool = new Pool({ connectionString: ${JSON.stringify(postgres.url)}, max: 2, policy: { name: 'orders' } });
    ${await printed('docs/observability.md', "from 'prom-client'")}
    const held = await pool.connect();
    await pool.query('select 1');
    await register.metrics();
    (await pool.connect()).release(true);
    const text = await register.metrics();
    const stats = pool.stats();
    held.release();
    await pool.end();
    console.log(JSON.stringify({ text, stats }));
  `);
  const lines = text.split('\n').filter((line: string) => line !== '' && !line.startsWith('#'));
  const pool = 'db_client_connection_pool_name="orders"';
  expect(lines.slice(0, 6)).toEqual([
    `db_client_connection_count{${pool},db_client_connection_state="idle"} ${stats.idle}`,
    `db_client_connection_count{${pool},db_client_connection_state="used"} ${stats.used}`,
    `db_client_connection_limit{${pool}} 2`,
    `db_client_connection_pending_requests{${pool}} 0`,
    `db_client_connection_timeouts_total{${pool}} 0`,
    `tenure_connection_acquired_total{${pool}} ${stats.acquired}`,
  ]);
  expect(lines).toContain(`tenure_connection_opened_total{${pool}} ${stats.opened}`);
  expect(lines).toContain(`tenure_connection_closed_total{${pool},reason="discarded"} 1`);
  expect(stats).toMatchObject({ used: 1, acquired: 3 });
});
