import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Registry, registry, VERSION } from '../../../packages/core/src/postgres/sharing/registry.js';
import { placeOf, siteOf } from '../../../packages/core/src/postgres/sharing/site.js';

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

  it('forgets pools that nobody has any more', () => {
    const known = new Registry();
    const pool = {};
    const listing = (key: string, of: object | undefined) => ({
      pool: { deref: () => of } as WeakRef<object>,
      fingerprint: { key, target: 'target', settings: new Map() },
      site: undefined,
      told: false,
    });
    known.list(listing('gone', undefined));
    known.list(listing('here', pool));
    expect([...known.listings.keys()]).toEqual(['here']);
    known.withdraw(pool);
    expect(known.listings.size).toBe(0);
  });
});

describe('The place where a pool was made', () => {
  class Maker {
    readonly place = placeOf(Maker);
  }

  it('is the line of the app that made it', () => {
    expect(new Maker().place()).toMatch(/registry\.test\.ts:\d+:\d+/);
  });

  it('does not tell evaluations of one module apart', () => {
    const frames = (n: number) => [
      '    at make (file:///app/node_modules/pg/a.js:1:1)',
      '    at node:internal/process:1:1',
      `    at file:///app/db.js?t=${n}:3:5`,
    ];
    expect(siteOf(['Error', ...frames(17)].join('\n'))).toBe('    at file:///app/db.js:3:5');
    expect(siteOf(['Error', ...frames(18)].join('\n'))).toBe('    at file:///app/db.js:3:5');
  });
});
