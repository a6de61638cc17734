import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DURATIONS, METRICS } from '../../../packages/otel/src/metrics.js';
import { run } from '../../package/packed.js';
import { TemporaryFolder } from '../../support/temporaryFolder.js';

const path = fileURLToPath(new URL('../../../packages/otel/grafana/dashboard.json', import.meta.url));
const text = readFileSync(path, 'utf8');

/**
 * Grafana's own schema from its Foundation SDK: TypeScript types made from the schema's source. An object literal of an exact
 * type may have no unknown field and no unknown value. Enums are compared by their values.
 */
const SCHEMA = `
import type { Dashboard, FieldConfig, FieldConfigSource, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import type { FieldConfig as Lines, Options } from '@grafana/grafana-foundation-sdk/timeseries';

type Json<T> = 0 extends 1 & T ? any
  : T extends string ? \`\${T}\`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer I)[] ? Json<I>[]
  : { [K in keyof T as NonNullable<T[K]> extends (...args: any[]) => any ? never : K]: Json<T[K]> };

interface TimeSeries extends Omit<Panel, 'type' | 'targets' | 'options' | 'fieldConfig'> {
  type: 'timeseries';
  targets: Dataquery[];
  options: Options;
  fieldConfig: Omit<FieldConfigSource, 'defaults'> & { defaults: Omit<FieldConfig, 'custom'> & { custom: Lines } };
}

export const dashboard: Json<Omit<Dashboard, 'panels'> & { panels: TimeSeries[] }> = `;

const CONFIG = {
  compilerOptions: {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    module: 'NodeNext',
    target: 'ES2022',
    lib: ['ES2022'],
    types: [],
  },
  files: ['dashboard.ts'],
};

/** @returns what is wrong with a dashboard, as the compiler says it */
async function problemsOf(json: string): Promise<string> {
  const folder = await TemporaryFolder.make('test');
  try {
    await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(folder.path, 'node_modules'));
    await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder.path, 'tsconfig.json'), JSON.stringify(CONFIG));
    await writeFile(join(folder.path, 'dashboard.ts'), `${SCHEMA}${json};\n`);
    return await run('tsc', ['--project', folder.path]);
  } catch (error) {
    return (error as Error).message;
  } finally {
    await folder.remove();
  }
}

describe('the Grafana dashboard', () => {
  it("follows Grafana's schema", async () => {
    expect(await problemsOf(text)).toBe('');
  });

  it.each([
    ['a field that does not exist', '"schemaVersion"', '"schemaversion"'],
    ['a panel option that does not exist', '"placement"', '"place"'],
    ['a value that is not allowed', '"drawStyle": "line"', '"drawStyle": "curve"'],
    ['a query without an expression', '"expr"', '"query"'],
  ])('would be refused with %s', async (_, right, wrong) => {
    expect(text).toContain(right);
    expect(await problemsOf(text.replace(right, wrong))).toContain('error TS');
  });

  it('asks only for metrics and labels that are published, and for the signals that people alert on', () => {
    const published = [...Object.entries(METRICS).map(nameInPrometheus), ...durationNames()];
    const asked = namesIn(text);
    expect(asked.filter((name) => !published.includes(name))).toEqual([]);
    for (const name of [
      'db_client_connection_wait_time_bucket',
      'db_client_connection_pending_requests',
      'db_client_connection_limit',
      'db_client_connection_timeouts_total',
      'tenure_connection_opened_total',
      'tenure_connection_acquired_total',
      'tenure_connection_closed_total',
      'tenure_budget_limit',
    ])
      expect(asked).toContain(name);
  });

  it('has no panel on top of another', () => {
    const { panels } = JSON.parse(text) as { panels: { gridPos: { x: number; y: number; w: number; h: number } }[] };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(cells.every((cell) => Number(cell.split(',')[0]) < 24)).toBe(true);
  });
});

/** A name in the form of OpenTelemetry's Prometheus exporter. */
function nameInPrometheus([name, { kind }]: [string, { readonly kind: string }]): string {
  return `${name.replaceAll('.', '_')}${kind === 'counter' ? '_total' : ''}`;
}

function durationNames(): string[] {
  return Object.keys(DURATIONS).map((name) => `${name.replaceAll('.', '_')}_bucket`);
}

/** Metric names in the queries. A collector adds the unit to the name of a duration, which the queries allow. */
function namesIn(json: string): string[] {
  const { panels } = JSON.parse(json) as { panels: { targets: { expr: string }[] }[] };
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(queries.length).toBeGreaterThan(20);
  const labels = ['db_client_connection_pool_name', 'db_client_connection_state'];
  return queries
    .flatMap((query) => query.replaceAll('(_seconds)?', '').match(/\b(?:db_client|tenure)_\w+/g) ?? [])
    .filter((name) => !labels.includes(name));
}
