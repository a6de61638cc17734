import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Registry, registry, VERSION } from '../../../packages/core/src/postgres/sharing/registry.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

describe('The registry', () => {
  it('is one for all copies of this version, and of no other', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../../packages/core/package.json', import.meta.url), 'utf8'));
    expect(VERSION).toBe(manifest.version);
    const found = Object.getOwnPropertySymbols(globalThis).find(
      (key) => key === Symbol.for(`@tenure/core ${VERSION} pools`),
    );
    expect(registry()).toBe(registry());
    expect((globalThis as never)[found ?? Symbol.for(`@tenure/core ${VERSION} pools`)]).toBe(registry());
  });

  it('has one limit for one identity, and lets go of those that no pool keeps to any more', async () => {
    const known = new Registry();
    const limit = known.limitOf('one');
    expect(known.limitOf('one')).toBe(limit);
    expect(known.limitOf('another')).not.toBe(limit);
    const ref = (() => new WeakRef(known.limitOf('forgotten')))();
    await expect.poll(() => (collectGarbage(), ref.deref() === undefined)).toBe(true);
    expect(known.limitOf('one')).toBe(limit);
  });
});
