import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { type App, type AppOptions, makeApp } from './app.js';
import { BOTH_KINDS } from './copies.js';
import { DOC_PACKAGES, docScripts } from './docScripts.js';
import { JEST_FILES } from './jestFiles.js';
import { asCommonJs } from './printed.js';
import { packageScripts, readmeScripts } from './scripts.js';
import { CONFIGS, EXACT_TYPES, SAME } from './typescript.js';

// Runs the scripts of the READMEs, in applications that were empty folders before.

const postgres = await usePostgres();
const scripts = await readmeScripts();

beforeAll(async () => {
  await postgres.admin('create table "User" (id serial primary key, email text unique not null)');
  await postgres.admin('alter table "User" owner to app');
});

function useApp(options: AppOptions): () => App {
  let app: App | undefined;
  beforeAll(async () => {
    app = await makeApp(options, postgres.url);
  });
  afterAll(() => app?.remove());
  return () => app!;
}

describe('an ESM application', async () => {
  const extra = ['@tenure/inspector', '@tenure/otel', '@opentelemetry/api', ...DOC_PACKAGES];
  const app = useApp({ type: 'module', generator: 'prisma-client-js', extra });

  it.each(scripts)('runs the $name snippet of the README as printed', async ({ name, code, prints }) => {
    await app().write(`${name}.js`, code);
    expect(await app().node(`${name}.js`)).toBe(`${prints}\n`);
  });

  it.each(await packageScripts())("runs the $name snippet of the packages' READMEs", async ({ name, code, prints }) => {
    await app().write(`${name}.js`, code);
    expect(await app().node(`${name}.js`)).toBe(`${prints}\n`);
  });

  it.each(await docScripts())('runs the $name snippet of docs/', async ({ name, code, prints }) => {
    await app().write(`${name}.js`, code);
    expect(await app().node(`${name}.js`)).toBe(`${prints}\n`);
  });

  it('has one limit for pools of one place, as ES module and as CommonJS', async () => {
    await app().write('bothKinds.js', BOTH_KINDS);
    // Two classes, a timeout while the other has both connections, an answer after that, two owners, and one when the first has left.
    expect(await app().node('bothKinds.js')).toBe('false TENURE_ACQUIRE_TIMEOUT 1 2 1\n');
  });
});

describe('a CommonJS application', () => {
  const app = useApp({ type: 'commonjs', generator: 'prisma-client-js' });

  it.each(scripts)('runs the $name snippet of the README with require', async ({ name, code, prints }) => {
    await app().write(`${name}.js`, asCommonJs(code));
    expect(await app().node(`${name}.js`)).toBe(`${prints}\n`);
  });

  it('has pools of its own in each test file of Jest, all in one process, which ends although none is closed', async () => {
    for (const [file, text] of Object.entries(JEST_FILES)) await app().write(file, text);
    expect(await app().jest()).toEqual({ passed: 4, failed: 0 });
  });
});

describe('a TypeScript application', async () => {
  const typed = scripts.filter(({ name }) => name in EXACT_TYPES);
  const sources = typed.map(({ name, code }) => [`${name}.ts`, `${code}${EXACT_TYPES[name]}`]);
  const useTenure = await readFile(new URL('useTenure.ts', import.meta.url), 'utf8');
  const app = useApp({
    type: 'module',
    generator: 'prisma-client',
    extra: ['@types/node'],
    files: {
      ...CONFIGS,
      ...Object.fromEntries(sources),
      'same.ts': SAME,
      'asModule.mts': useTenure,
      'asCommonJs.cts': useTenure,
    },
  });

  it('compiles for a bundler', () => app().tsc('--project', 'bundler.json'));

  describe('compiled for Node', () => {
    beforeAll(() => app().tsc('--project', 'tsconfig.json'));

    it.each(typed)('runs the $name snippet of the README, with exact types', async ({ name, prints }) => {
      expect(await app().node(`${name}.js`)).toBe(`${prints}\n`);
    });

    it.each(['asModule.mjs', 'asCommonJs.cjs'])('runs %s', async (file) => {
      expect(JSON.parse(await app().node(file))).toEqual([2, 'stub', true, true]);
    });
  });
});
