import { describe, expect, it } from 'vitest';
import type { Statement } from '../../../packages/core/src/postgres/statements/cache.js';
import { SessionCache } from '../../../packages/core/src/postgres/statements/cache.js';

const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }] as [Statement, Statement, Statement];

function kept(...statements: Statement[]): SessionCache {
  const all = new SessionCache();
  for (const statement of statements) all.add(statement, 0);
  return all;
}

describe('The statements of a session', () => {
  it('are in the order of their use, the least recent first', () => {
    const all = kept(a, b, c);
    expect(all.leastRecent).toBe('a');
    expect(all.use(a, 0)).toBeDefined();
    expect(all.leastRecent).toBe('b');
    all.delete('b');
    expect(all.leastRecent).toBe('c');
    expect(all.size).toBe(2);
  });

  it('can be used as what they were prepared as, and not as one that has taken its place', () => {
    const all = kept(a);
    expect(all.use({ name: 'a' }, 0)).toBeUndefined();
    expect(all.has('a')).toBe(true);
    expect(all.use(b, 0)).toBeUndefined();
    expect(all.has('b')).toBe(false);
  });

  it('can be used in the environment that they were prepared in', () => {
    const all = kept(a);
    expect(all.use(a, 1)).toBeUndefined();
    expect(all.use(a, 0)).toBeDefined();
  });

  it('that have expired are still there, to be closed, and are counted once', () => {
    const all = kept(a, b);
    expect(all.expire('a')).toBe(true);
    expect(all.expire('a')).toBe(false);
    expect(all.expire('nothing')).toBe(false);
    expect(all.use(a, 0)).toBeUndefined();
    expect(all.has('a')).toBe(true);
  });
});
