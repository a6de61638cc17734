import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import { Context } from '../../../packages/core/src/pool/context.js';
import { Membership } from '../../../packages/core/src/pool/sharedLimit.js';
import { FakeConnector } from '../../support/fakeConnector.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

function contextWith(policy: Parameters<typeof parsePolicy>[1]) {
  const runtime = new FakeRuntime();
  return new Context(new FakeConnector(runtime), parsePolicy({}, policy), runtime, new Membership(() => undefined));
}

describe('the limits of a pool', () => {
  it('are those of its policy, until less is granted', () => {
    const context = contextWith({ maxConnections: 10, reuseConnections: 6, minConnections: 4 });
    expect(context.limits).toEqual({ maxConnections: 10, reuseConnections: 6, minConnections: 4 });
    context.grant(5);
    expect(context.limits).toEqual({ maxConnections: 5, reuseConnections: 5, minConnections: 4 });
    context.grant(2);
    expect(context.limits).toEqual({ maxConnections: 2, reuseConnections: 2, minConnections: 2 });
  });

  it('leave what the user has set, and its source, as they are', () => {
    const context = contextWith({ maxConnections: 10 });
    const { policy } = context;
    context.grant(2);
    expect(context.policy).toBe(policy);
    expect(context.policy.sources.maxConnections).toEqual({ from: 'argument', name: 'policy.maxConnections' });
  });

  it('are the user’s again once more is granted than the user wants', () => {
    const context = contextWith({ maxConnections: 10 });
    context.grant(2);
    context.grant(Number.POSITIVE_INFINITY);
    expect(context.limits.maxConnections).toBe(10);
  });

  it('are the smaller of the two after the user changes theirs', () => {
    const context = contextWith({ maxConnections: 10 });
    context.grant(4);
    context.resize({ maxConnections: 20 });
    expect(context.policy.maxConnections).toBe(20);
    expect(context.limits.maxConnections).toBe(4);
    context.resize({ maxConnections: 3 });
    expect(context.limits.maxConnections).toBe(3);
  });
});
