import { describe, expect, it, vi } from 'vitest';
import { describePolicy } from '../../../packages/core/src/policy/describePolicy.js';
import { POLICY_KEYS } from '../../../packages/core/src/policy/options.js';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import { isPolicy } from '../../../packages/core/src/policy/policy.js';

describe('isPolicy', () => {
  it('knows a policy that has been checked', () => {
    expect(isPolicy(parsePolicy({}))).toBe(true);
  });

  it.each([undefined, null, 5, 'policy', {}, [], () => {}, { maxAgeMs: 5 }, { ...parsePolicy({}) }])(
    'takes nothing else for one: %s',
    (value) => {
      expect(isPolicy(value)).toBe(false);
    },
  );

  it('takes no object for one because it inherits from one', () => {
    expect(isPolicy(Object.create(parsePolicy({})))).toBe(false);
  });

  it('knows a policy that another copy of the module has checked', async () => {
    vi.resetModules();
    const copy = await import('../../../packages/core/src/policy/parsePolicy.js');
    expect(copy.parsePolicy).not.toBe(parsePolicy);
    expect(isPolicy(copy.parsePolicy({}))).toBe(true);
  });
});

describe('A policy', () => {
  it('is frozen to the bottom', () => {
    const policy = parsePolicy({ CONN_MAX_AGE: '5' }, { maxUses: 3 });
    const parts = [policy, policy.sources, ...POLICY_KEYS.map((key) => policy.sources[key])];
    expect(parts.map((part) => Object.isFrozen(part))).not.toContain(false);
    expect(() => Object.assign(policy, { maxUses: 4 })).toThrow(TypeError);
  });

  it('does not follow what it was made of', () => {
    const overrides = { maxUses: 3 };
    const host = { maxConnections: { value: 4, name: 'pool.max' } };
    const policy = parsePolicy({}, overrides, host);
    Object.assign(overrides, { maxUses: 9 });
    Object.assign(host.maxConnections, { value: 9, name: 'changed' });
    expect(policy).toMatchObject({ maxUses: 3, maxConnections: 4 });
    expect(policy.sources.maxConnections.name).toBe('pool.max');
  });

  it('has every key, and nothing but its name and its sources beside them', () => {
    const policy = parsePolicy({}, { name: 'orders' });
    expect(Object.keys(policy).sort()).toEqual([...POLICY_KEYS, 'name', 'sources'].sort());
    expect(Object.keys(policy.sources)).toEqual([...POLICY_KEYS]);
  });
});

describe('describePolicy', () => {
  it('gives each value with its source, ready for JSON', () => {
    const host = { idleTimeoutMs: { value: Number.POSITIVE_INFINITY, name: 'pool.idleTimeoutMillis', written: 0 } };
    const policy = parsePolicy({ CONN_MAX_AGE: '1.5', CONN_BUDGET: 'auto' }, { healthChecks: false }, host);
    const described = describePolicy(policy);
    expect(described).toMatchObject({
      maxAgeMs: { value: 1_500, source: { from: 'environment', name: 'CONN_MAX_AGE' } },
      budget: { value: 'auto', source: { from: 'environment', name: 'CONN_BUDGET' } },
      healthChecks: { value: false, source: { from: 'argument', name: 'policy.healthChecks' } },
      idleTimeoutMs: { value: 'none', source: { from: 'host', name: 'pool.idleTimeoutMillis' } },
      maxUses: { value: 'none', source: { from: 'default' } },
      reset: { value: 'rollback', source: { from: 'default' } },
    });
    expect(Object.keys(described)).toEqual([...POLICY_KEYS]);
    expect(JSON.parse(JSON.stringify(described))).toEqual(described);
  });
});
