import { createRequire } from 'node:module';

/** An app that OpenTelemetry watches; prints the spans and the pool's metrics of what it did. */
const [url = '', kind] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { trace, context } = require('@opentelemetry/api');
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg');
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { MeterProvider, InMemoryMetricExporter, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
trace.setGlobalTracerProvider(provider);
const metrics = new InMemoryMetricExporter(1);
const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
const meters = new MeterProvider({ readers: [reader] });
const instrumentation = new PgInstrumentation({ requireParentSpan: false });
instrumentation.setTracerProvider(provider);
instrumentation.setMeterProvider(meters);
instrumentation.enable();
// Loaded by `require`, whose modules it replaces.
const pg = require('pg');
const Pool = kind === 'stock' ? pg.Pool : (await import('@tenure/core/pg')).Pool;
const pool = new Pool({ connectionString: url, max: 2, application_name: 'traced', policy: { healthBypassMs: 0 } });
void context;

await pool.query('select 1');
await new Promise((resolve) => setTimeout(resolve, 50));
await pool.query('select $1::int', [2]);
const client = await pool.connect();
await client.query('begin');
await client.query('select 3');
await client.query('commit');
client.release();
await pool.query('select nothing').catch(() => {});
await Promise.all([pool.query('select 4'), pool.query('select 5')]);
await reader.forceFlush();
const spans = exporter
  .getFinishedSpans()
  .map(
    ({ name, attributes }: { name: string; attributes: Record<string, unknown> }) =>
      `${name}|${attributes['db.statement'] ?? attributes['db.query.text'] ?? ''}`,
  );
const names = metrics
  .getMetrics()
  .flatMap(({ scopeMetrics }: never) =>
    (scopeMetrics as { metrics: { descriptor: { name: string } }[] }[]).flatMap(({ metrics: all }) =>
      all.map(({ descriptor }) => descriptor.name),
    ),
  );
await pool.end();
console.log(JSON.stringify({ spans: spans.sort(), metrics: [...new Set(names)].sort() }));
