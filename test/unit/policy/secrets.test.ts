import { parsePolicy } from '@tenure/core';
import { describe, expect, it } from 'vitest';
import { problemsOf } from './problemsOf.js';

const SECRETS = ['postgres://me:hunter2@db/app', 'host=db user=me password=hunter2'];

describe('a connection string where a setting belongs', () => {
  it.each(SECRETS)('is not shown when a variable holds it: %s', (secret) => {
    const [problem] = problemsOf(() => parsePolicy({ MAX_CONNS: secret }));
    expect(problem).toMatchObject({ name: 'MAX_CONNS' });
    expect(JSON.stringify(problem)).not.toContain('hunter2');
  });

  it.each(SECRETS)('is not shown when the policy argument holds it: %s', (secret) => {
    const overrides = { maxConnections: secret as unknown as number };
    expect(() => parsePolicy({}, overrides)).toThrow('policy.maxConnections');
    expect(() => parsePolicy({}, overrides)).not.toThrow('hunter2');
  });
});
