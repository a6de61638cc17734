import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider, type MeterProviderOptions } from '@opentelemetry/sdk-metrics';
import { freePort } from '../../support/freePort.js';

/** One line of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The metrics that Prometheus reads at an endpoint. */
async function scrape(url: string): Promise<Sample[]> {
  const lines = (await (await fetch(url)).text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, name, labels = '', value] = line.match(/^(\w+)(?:\{(.*)\})? ([^ ]+)/)!;
    const pairs = Array.from(labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g), ([, key, text]) => [key, text]);
    return { name: name!, labels: Object.fromEntries(pairs), value: Number(value) };
  });
}

/** OpenTelemetry's SDK with its Prometheus exporter, as an app has them. */
export async function usePrometheus(options: Omit<MeterProviderOptions, 'readers'> = {}) {
  const port = await freePort();
  const exporter = new PrometheusExporter({ host: '127.0.0.1', port });
  const meterProvider = new MeterProvider({ ...options, readers: [exporter] });
  return {
    meterProvider,
    scrape: () => scrape(`http://127.0.0.1:${port}/metrics`),
    shutdown: () => meterProvider.shutdown(),
  };
}

export type Prometheus = Awaited<ReturnType<typeof usePrometheus>>;

/** The values of a metric of one pool, by its remaining labels, or alone. */
export function valuesOf(
  samples: readonly Sample[],
  pool: string,
  name: string,
): Record<string, number> | number | undefined {
  const own = samples.filter(
    ({ name: other, labels }) => other === name && labels.db_client_connection_pool_name === pool,
  );
  const entries = own.map(({ labels, value }) => {
    const more = Object.entries(labels).filter(([key]) => !ALL.includes(key));
    return [more.map(([, text]) => text).join(','), value] as const;
  });
  if (entries.length === 0) return undefined;
  return entries[0]![0] === '' ? entries[0]![1] : Object.fromEntries(entries);
}

/** Labels that every sample has. */
const ALL = ['db_client_connection_pool_name', 'otel_scope_name', 'otel_scope_version', 'otel_scope_schema_url'];
