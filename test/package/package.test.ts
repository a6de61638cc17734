import { stat } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { packedPackages, run } from './packed.js';

const MAY_CONTAIN =
  /^package\/((dist|src)\/.+\.(c?js|d\.ts|map|ts|json)|package\.json|README\.md|LICENSE|report\.schema\.json|grafana\/[a-z-]+\.json)$/;

describe.each(await packedPackages())('$name', ({ name, tarball }) => {
  let files: string[];
  let manifest: Record<string, unknown>;

  beforeAll(async () => {
    files = (await run('tar', ['-tzf', tarball])).trim().split('\n');
    manifest = JSON.parse(await run('tar', ['-xzOf', tarball, 'package/package.json']));
    // A line for CI's log.
    console.log(`${name}: ${Math.round((await stat(tarball)).size / 1_000)} kB packed, ${files.length} files`);
  });

  it('contains its code, its types, their sources and its README, and nothing else', () => {
    expect(files).toEqual(expect.arrayContaining(['package/package.json', 'package/README.md', 'package/LICENSE']));
    expect(files.filter((file) => !MAY_CONTAIN.test(file))).toEqual([]);
  });

  it('names its license, its repository, and where to report faults', () => {
    expect(manifest).toMatchObject({
      license: 'MIT',
      sideEffects: false,
      repository: { url: expect.stringMatching(/^git\+https:/), directory: expect.stringContaining('packages/') },
      homepage: expect.stringMatching(/^https:/),
      bugs: { url: expect.stringMatching(/^https:/) },
    });
  });

  it('is packed as publint wants it', async () => {
    await run('publint', ['run', tarball, '--strict']);
  });

  it('has types that agree with the code, for ESM and for CommonJS, and for TypeScript that does not read `exports`', async () => {
    await run('attw', [tarball, '--profile', 'strict']);
  });
});
