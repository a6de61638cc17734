import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/**
 * Who may import whom, types included. A layer is a folder of packages/core/src, or one of the files beside them. `node` stands
 * for every module of Node except its clocks; `clock` stands for those, since time and chance come from pool/clock.ts.
 */
const ENGINE = ['errors', 'policy', 'lifecycle', 'pool'];
// Only the engine uses the fleet's rules: drivers and adapters bring locks.
const MAY_IMPORT: Record<string, readonly string[]> = {
  errors: [],
  policy: ['errors'],
  lifecycle: ['errors', 'policy'],
  fleet: ['errors', 'policy', 'lifecycle'],
  pool: ['errors', 'policy', 'lifecycle', 'fleet', 'node'],
  telemetry: [...ENGINE, 'node'],
  postgres: [...ENGINE, 'node', 'clock', 'pg'],
  createPool: ENGINE,
  index: [...ENGINE, 'createPool'],
  pg: [...ENGINE, 'postgres', 'pg'],
  adapter: [...ENGINE, 'postgres'],
};

/** Adapters import from the core what its users import, and what it exports for adapters. */
const ADAPTERS: Record<string, readonly string[]> = {
  'knex-plugin': ['@tenure/core', '@tenure/core/adapter', 'knex', 'pg', 'node', 'clock'],
  otel: ['@tenure/core', '@tenure/core/adapter', '@opentelemetry', 'node'],
  inspector: ['@tenure/core', '@tenure/core/adapter', 'node', 'clock'],
  'prisma-extension': ['@tenure/core', '@tenure/core/pg', '@tenure/core/adapter', '@prisma', 'pg', 'node', 'clock'],
};

/** The one door to the clocks. */
const DOOR = 'core/src/pool/clock.ts';
/** The doctor looks at any app: only what it advises on Tenure's settings has something of the core. Only its sampler talks to a server, and its judge is pure. */
const DOCTOR: Record<string, readonly string[]> = {
  sample: [],
  judge: ['sample'],
  server: ['sample', 'node', 'pg', 'pg-connection-string', 'pgpass'],
  page: ['@observablehq', 'linkedom'],
  print: ['sample', 'judge', 'page', 'cli-table3', 'picocolors', 'wrap-ansi'],
  options: ['server', 'node'],
  watchLive: ['sample', 'server', 'print', 'options', 'log-update', 'picocolors'],
  advise: ['sample', 'server', 'node', '@tenure/core', 'wrap-ansi'],
  run: ['sample', 'judge', 'server', 'print', 'options', 'advise', 'watchLive', 'node', 'log-update', 'picocolors'],
  cli: ['options', 'run'],
  index: ['sample', 'judge', 'print'],
  internal: ['page', 'print', 'server'],
};

/** Packages that have layers of their own. */
const LAYERED: Record<string, typeof MAY_IMPORT> = { core: MAY_IMPORT, doctor: DOCTOR };

const CLOCKS = ['node:timers', 'node:timers/promises', 'node:perf_hooks', 'node:crypto'];

const packages = fileURLToPath(new URL('../../packages', import.meta.url));

describe('the layers', () => {
  it('import to the left only', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(10);
    expect(files.flatMap((path) => violations(path, readFileSync(`${packages}/${path}`, 'utf8')))).toEqual([]);
  });

  it.each([
    ['core/src/errors.ts', "import { parsePolicy } from './policy/parsePolicy.js';"],
    ['core/src/policy/policy.ts', "import { upkeep } from '../lifecycle/upkeep.js';"],
    ['core/src/lifecycle/upkeep.ts', "import type { Pool } from '../pool/pool.js';"],
    ['core/src/lifecycle/upkeep.ts', "import {\n  setTimeout,\n} from 'node:timers/promises';"],
    ['core/src/lifecycle/deep/er.ts', "export * from '../../pool/pool.js';"],
    ['core/src/pool/pool.ts', "export type { PgClient } from '../postgres/pgTypes.js';"],
    ['core/src/pool/pool.ts', "let client: import('../postgres/pgTypes.js').PgClient;"],
    ['core/src/pool/pool.ts', "const { Client } = await import('pg');"],
    ['core/src/pool/pool.ts', "import { performance } from 'node:perf_hooks';"],
    ['core/src/pool/pool.ts', "import { createPool } from '../index.js';"],
    ['core/src/index.ts', "export { Pool } from './postgres/pgPool.js';"],
    ['core/src/index.ts', "export { Pool } from './pg.js';"],
    ['core/src/postgres/pgPool.ts', "import '../fleet/share.js';"],
    ['core/src/fleet/share.ts', "import { pgConnector } from '../postgres/pgConnector.js';"],
    ['core/src/aNewLayer/file.ts', "import '../errors.js';"],
    ['knex-plugin/src/tenure.ts', "import { Slot } from '../../core/src/pool/slot.js';"],
    ['knex-plugin/src/tenure.ts', "import { Slot } from '@tenure/core/dist/pool/slot.js';"],
    ['knex-plugin/src/tenure.ts', "const tarn = require('tarn');"],
    ['doctor/src/judge/judge.ts', "import pg from 'pg';"],
    ['doctor/src/judge/rules/full.ts', "import { watch } from '../../server/sampler.js';"],
    ['doctor/src/print/terminal.ts', "import { createPool } from '@tenure/core';"],
  ])('find the violation in %s: %s', (path, source) => {
    expect(violations(path, source)).toHaveLength(1);
  });

  it.each([
    ['core/src/policy/parsePolicy.ts', "import { TenurePolicyError } from '../errors.js';\nimport './durations.js';"],
    ['core/src/pool/clock.ts', "import * as timers from 'node:timers';"],
    ['core/src/pool/pool.ts', "import { EventEmitter } from 'node:events';\nimport '../lifecycle/upkeep.js';"],
    ['core/src/postgres/pgPool.ts', "import pg from 'pg';\n/** `import knex from 'knex'` */"],
    [
      'knex-plugin/src/tenure.ts',
      "import { placeOf } from '@tenure/core/adapter';\n// import 'tarn';\nimport './facade.js';",
    ],
  ])('allow what is right in %s: %s', (path, source) => {
    expect(violations(path, source)).toEqual([]);
  });
});

function sourceFiles(): string[] {
  return readdirSync(packages).flatMap((name) =>
    readdirSync(`${packages}/${name}/src`, { recursive: true, encoding: 'utf8' })
      .map((file) => posix.join(name, 'src', file.replaceAll('\\', '/')))
      .filter((path) => path.endsWith('.ts')),
  );
}

/** The imports of a source file, given its path below packages/, that the layers forbid. */
function violations(path: string, source: string): string[] {
  const [packageName] = path.split('/') as [string];
  const layers = LAYERED[packageName];
  const own = layers ? layerOf(path) : packageName;
  const allowed = (layers ?? ADAPTERS)[own];
  if (!allowed) return [`${path}: "${own}" has no place among the layers yet`];
  return importsOf(source)
    .map((specifier) => ({ specifier, target: targetOf(path, specifier) }))
    .filter(({ target }) => target !== own && !allowed.includes(target) && !(target === 'clock' && path === DOOR))
    .map(({ specifier }) => `${path} must not import ${specifier}`);
}

function importsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const specifiers = code.matchAll(/\b(?:from|import|require)\s*\(?\s*(['"`])(?<specifier>[\w@./:-]+)\1/g);
  return Array.from(specifiers, (match) => match.groups!.specifier!);
}

/** The target of an import: a layer of the core, the importing package itself, or a module from elsewhere. */
function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier);
    const [packageName] = path.split('/') as [string];
    if (!target.startsWith(`${packageName}/src/`)) return target;
    return packageName in LAYERED ? layerOf(target) : packageName;
  }
  if (specifier.startsWith('node:')) return CLOCKS.includes(specifier) ? 'clock' : 'node';
  if (specifier.startsWith('@tenure/')) return specifier;
  return specifier.split('/')[0]!;
}

/** core/src/policy/policy.ts → policy; core/src/errors.ts → errors */
function layerOf(path: string): string {
  return path.split('/')[2]!.replace(/\.[jt]s$/, '');
}
