import { describe, it } from 'vitest';
import { packedPackages, run } from './packed.js';

describe.each(await packedPackages())('$name', ({ tarball }) => {
  it('is packed as publint wants it', async () => {
    await run('publint', ['run', tarball, '--strict']);
  });

  it('has types that agree with the code, for ESM and for CommonJS, and for TypeScript that does not read `exports`', async () => {
    await run('attw', [tarball, '--profile', 'strict']);
  });
});
