import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { recordingText } from '../unit/doctor/recordings.js';
import { packedPackages, run } from './packed.js';
import { asCommonJs, printed } from './printed.js';

// The doctor as npx gets it: in a folder with nothing else.

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenure-doctor-'));
  const packed = await packedPackages();
  // Packed with the core, which no registry has yet.
  const tarballs = ['@tenure/core', '@tenure/doctor'].map(
    (wanted) => packed.find(({ name }) => name === wanted)!.tarball,
  );
  await run('npm', ['init', '--yes'], folder);
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...tarballs], folder);
  await writeFile(join(folder, 'shop.jsonl'), recordingText('django-sync'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const doctor = (...args: string[]) => run(join(folder, 'node_modules/.bin/tenure-doctor'), args, folder);

it('judges a recording, and writes its page', async () => {
  expect(await doctor('--replay', 'shop.jsonl', '--html', 'shop.html')).toContain('Healthy');
  expect(await readFile(join(folder, 'shop.html'), 'utf8')).toContain('<svg');
  expect(JSON.parse(await doctor('--replay', 'shop.jsonl', '--json')).verdict).toBe('healthy');
});

it('says what it is called with wrongly, and how it is called', async () => {
  await expect(doctor('--nonsense')).rejects.toThrow("Unknown option '--nonsense'. Try --help.");
  expect(await doctor('--help')).toContain('npx @tenure/doctor "$DATABASE_URL"');
});

it('advises, with what it needs of the core', async () => {
  expect(await doctor('advise', '--help')).toContain('--processes N');
  await expect(doctor('advise', 'postgres://localhost/x')).rejects.toThrow('--processes N is missing');
});

it('is a module too, as its README prints', async () => {
  const [code] = await printed('packages/doctor/README.md', 'From code', 'js');
  await writeFile(join(folder, 'esm.mjs'), code!);
  await writeFile(join(folder, 'cjs.cjs'), asCommonJs(code!));
  expect(await run('node', ['esm.mjs'], folder)).toBe('healthy\n');
  expect(await run('node', ['cjs.cjs'], folder)).toBe('healthy\n');
});
