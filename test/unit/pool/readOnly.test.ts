import { describe, expect, it } from 'vitest';
import { fakePool, follow, take, warm } from '../../support/fakePool.js';

const still = { idleTimeoutMs: 'none', keepaliveMs: 'none', maxAgeMs: 'none' } as const;

describe('a write that a server refuses which took writes before', () => {
  it('retires its connection at its return, and has the others asked whether theirs takes writes', async () => {
    const fake = fakePool(still);
    const old = await warm(fake, 3);
    const writer = await take(fake);
    fake.server.takesWrites = (connection) => !old.includes(connection);
    writer.refuseWrite();
    await fake.runtime.settle();
    expect(fake.server.writableAsked).toBe(2);
    expect(fake.closings).toEqual(['read-only', 'read-only']);
    fake.pool.release(writer);
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['read-only', 'read-only', 'read-only']);
    expect(old.map(({ ended }) => ended)).toEqual(['closed', 'closed', 'closed']);
    expect(fake.pool.stats().checks.failed).toBe(2);
  });

  it('leaves connections alone whose server takes writes', async () => {
    const fake = fakePool(still);
    await warm(fake, 3);
    const writer = await take(fake);
    writer.refuseWrite();
    fake.pool.release(writer);
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['read-only']);
    expect(fake.pool.stats()).toMatchObject({ idle: 2, epochs: 1 });
  });

  it('has what is held asked after its return', async () => {
    const fake = fakePool(still);
    const reader = await take(fake);
    const writer = await take(fake);
    fake.server.takesWrites = ({ id }) => id > 2;
    writer.refuseWrite();
    fake.pool.release(reader);
    fake.pool.release(writer);
    const next = await take(fake);
    expect(next.id).toBe(3);
    expect(fake.pool.stats().closed['read-only']).toBe(2);
  });

  it('is news again after a disconnect was', async () => {
    const fake = fakePool(still);
    const [lost, , writer] = await warm(fake, 3);
    lost!.lose();
    await fake.runtime.settle();
    expect(fake.server.writableAsked).toBe(0);
    writer!.refuseWrite();
    await fake.runtime.settle();
    expect(fake.server.writableAsked).toBe(1);
    expect(fake.pool.stats().epochs).toBe(2);
  });
});

describe('writable', () => {
  it('has every new connection and every check ask whether the server takes writes', async () => {
    const fake = fakePool({ ...still, writable: true });
    const [connection] = await warm(fake, 1);
    expect(fake.server.writableAsked).toBe(1);
    await fake.runtime.advance(1_000);
    expect(await take(fake)).toBe(connection);
    expect(fake.server.writableAsked).toBe(2);
    expect(fake.server.pings).toBe(0);
  });

  it('replaces what a check finds to be read-only, without a caller failing', async () => {
    const fake = fakePool({ ...still, writable: true });
    await warm(fake, 2);
    fake.server.takesWrites = ({ id }) => id > 2;
    await fake.runtime.advance(1_000);
    expect((await take(fake)).id).toBe(3);
    expect(fake.pool.stats()).toMatchObject({ closed: { 'read-only': 2, 'failed-check': 0 }, timeouts: 0 });
  });

  it('lets callers wait for a writer, with at most three connects a second, and says why they got none', async () => {
    const fake = fakePool({ ...still, writable: true, acquireTimeoutMs: 2_000 }, (server) => {
      server.takesWrites = () => false;
    });
    const waiting = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    expect(fake.server.connects).toBeLessThanOrEqual(3);
    expect(fake.server.live).toEqual([]);
    expect(fake.server.opened.map(({ ended }) => ended)).toEqual(fake.server.opened.map(() => 'closed'));
    await fake.runtime.advance(1_000);
    expect(waiting.error).toMatchObject({ code: 'TENURE_UNREACHABLE', message: /the server takes no writes/ });
    fake.server.takesWrites = () => true;
    const next = follow(fake.pool.acquire());
    await fake.runtime.advance(400);
    expect(next.value).toBeDefined();
  });

  it('asks nothing of a driver that cannot tell', async () => {
    const fake = fakePool({ ...still, writable: true }, (server) => {
      Object.assign(server, { isWritable: undefined });
    });
    await warm(fake, 1);
    await fake.runtime.advance(1_000);
    await take(fake);
    expect(fake.server.pings).toBe(1);
  });
});
