import { describe, expect, it } from 'vitest';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import type { FakeConnector } from '../../support/fakeConnector.js';
import { fakePool, take } from '../../support/fakePool.js';

/** Each use alone, one after the other. */
async function use(fake: ReturnType<typeof fakePool>, times: number, end = (_: object) => {}) {
  for (let i = 0; i < times; i++) {
    const connection = await take(fake);
    end(connection);
    if (fake.pool.connections().some(({ state }) => state === 'used')) fake.pool.release(connection);
    await fake.runtime.advance(100);
  }
}

async function warningsAfter(policy: PolicyOverrides, prepare?: (server: FakeConnector) => void) {
  const fake = fakePool(policy, prepare);
  await use(fake, 300);
  return fake.warnings.map(({ code, message }) => ({ code, message }));
}

describe('TENURE_NOT_REUSED', () => {
  it('is given once, with figures and the likeliest cause', async () => {
    const warnings = await warningsAfter({ maxAgeMs: 0 });
    expect(warnings).toEqual([
      {
        code: 'TENURE_NOT_REUSED',
        message: expect.stringMatching(
          /^Connections are not reused: 100 were opened for 100 acquires in \d+ s, and 100 closed as `max-age`\. policy\.maxAgeMs is 0, /,
        ),
      },
    ]);
  });

  it.each<[string, PolicyOverrides, RegExp]>([
    ['maxUses', { maxUses: 1 }, /100 closed as `max-uses`\. policy\.maxUses is 1\./],
    ['a short age', { maxAgeMs: 30 }, /policy\.maxAgeMs is 30 ms/],
    ['a short idle timeout', { idleTimeoutMs: 50 }, /100 closed as `idle`\. policy\.idleTimeoutMs is 50 ms/],
  ])('names %s', async (_, policy, message) => {
    const warnings = await warningsAfter(policy);
    expect(warnings).toEqual([{ code: 'TENURE_NOT_REUSED', message: expect.stringMatching(message) }]);
  });

  it('names an app that ends its connections itself', async () => {
    const fake = fakePool({}, (server) => Object.assign(server, { classifyLoss: () => 'app' }));
    await use(fake, 150, (connection) => (connection as { lose(): void }).lose());
    expect(fake.warnings).toMatchObject([
      { code: 'TENURE_NOT_REUSED', message: expect.stringContaining('client.end()') },
    ]);
  });

  it('names a server that ends idle sessions', async () => {
    const fake = fakePool();
    for (let i = 0; i < 150; i++) {
      fake.pool.release(await take(fake));
      await fake.runtime.advance(3_000);
      fake.server.live.at(-1)!.lose();
    }
    expect(fake.warnings).toMatchObject([
      { code: 'TENURE_NOT_REUSED', message: expect.stringContaining('idle_session_timeout') },
    ]);
  });

  it('is not given for a server that fails under load, again and again', async () => {
    const fake = fakePool();
    await use(fake, 300, (connection) => (connection as { lose(): void }).lose());
    expect(fake.warnings).toEqual([]);
  });

  it('names another cause with another warning', async () => {
    const fake = fakePool({ maxUses: 1 });
    await use(fake, 150);
    await use(fake, 150, (connection) => fake.pool.discard(connection as never));
    expect(fake.warnings.map(({ message }) => message.match(/policy.maxUses|The app closes them/)?.[0])).toEqual([
      'policy.maxUses',
      'The app closes them',
    ]);
  });

  it('is not given by a pool that reuses its connections', async () => {
    expect(await warningsAfter({})).toEqual([]);
  });
});

describe('pools that are made for each request', () => {
  const target = (database: string) => (server: FakeConnector) =>
    void Object.assign(server, { target: () => ({ serverAddress: 'db.example', serverPort: 5432, database }) });

  it('are warned of once, by the pool that comes last', async () => {
    const warnings = [];
    for (let i = 0; i < 60; i++) {
      const fake = fakePool({}, target('perRequest'));
      // Time is each pool's own here: that of all of them begins before.
      await fake.runtime.advance(i * 1_000);
      await use(fake, 1);
      warnings.push(...fake.warnings);
    }
    expect(warnings).toMatchObject([
      {
        code: 'TENURE_NOT_REUSED',
        message: expect.stringMatching(
          /^Connections are not reused: this process has 40 pools on db\.example:5432\/perRequest/,
        ),
      },
    ]);
  });

  it('are not warned of where each is drained', async () => {
    for (let i = 0; i < 60; i++) {
      const fake = fakePool({}, target('drained'));
      await fake.runtime.advance(i * 1_000);
      await use(fake, 1);
      void fake.pool.drain();
      await fake.runtime.settle();
      expect(fake.warnings).toEqual([]);
    }
  });
});
