import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';

interface Packed {
  name: string;
  tarball: string;
}

const test = fileURLToPath(new URL('..', import.meta.url));
const packed = await packedPackages();

describe.each(packed)('$name', ({ tarball }) => {
  it('is packed as publint wants it', async () => {
    await run('publint', ['run', tarball, '--strict']);
  });

  it('has types that agree with the code, for ESM and for CommonJS', async () => {
    await run('attw', [tarball, '--profile', 'node16']);
  });
});

describe('an application that installs the packages', async () => {
  const postgres = await usePostgres();
  let app: string;

  beforeAll(async () => {
    app = await mkdtemp(join(tmpdir(), 'tenure-app-'));
    await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
    await copyFile(join(test, 'package/useTenure.ts'), join(app, 'asModule.mts'));
    await copyFile(join(test, 'package/useTenure.ts'), join(app, 'asCommonJs.cts'));
    await run(
      'npm',
      ['install', '--no-audit', '--no-fund', ...packed.map(({ tarball }) => tarball), ...(await hosts())],
      app,
    );
  });

  afterAll(() => rm(app, { recursive: true, force: true }));

  it.each([
    ['asModule', 'mts', 'mjs'],
    ['asCommonJs', 'cts', 'cjs'],
  ])('compiles and runs %s', async (name, source, compiled) => {
    await run('tsc', ['--ignoreConfig', ...STRICT, '--module', 'node16', `${name}.${source}`], app);
    const output = await run('node', [`${name}.${compiled}`], app, { DATABASE_URL: postgres.url });
    expect(JSON.parse(output)).toEqual([2, 'stub', true, true]);
  });

  it('compiles for a bundler', async () => {
    const bundler = ['--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit'];
    await run('tsc', ['--ignoreConfig', ...STRICT, ...bundler, 'asModule.mts'], app);
  });
});

const STRICT = ['--strict', '--target', 'es2022', '--types', 'node'];

async function packedPackages(): Promise<Packed[]> {
  const packages = join(test, '../packages');
  const folders = await readdir(packages);
  return Promise.all(
    folders.map(async (folder) => {
      const { name, version } = JSON.parse(await readFile(join(packages, folder, 'package.json'), 'utf8'));
      const file = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
      return { name, tarball: join(test, 'package/packed', file) };
    }),
  );
}

/** The packages an application has already, in the versions that the tests have. */
async function hosts(): Promise<string[]> {
  const names = ['knex', 'pg', '@types/pg', '@types/node'];
  return Promise.all(
    names.map(async (name) => {
      const { version } = JSON.parse(await readFile(join(test, 'node_modules', name, 'package.json'), 'utf8'));
      return `${name}@${version}`;
    }),
  );
}

/** Runs a program of the workspace; when it fails, the error tells what it printed. */
async function run(program: string, args: string[], cwd = test, env: Record<string, string> = {}): Promise<string> {
  const bins = [join(test, 'node_modules/.bin'), join(test, '../node_modules/.bin')];
  const PATH = [...bins, process.env.PATH].join(':');
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, env: { ...process.env, ...env, PATH } });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }
}
