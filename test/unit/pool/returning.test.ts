import { describe, expect, it, vi } from 'vitest';
import type { FakeConnection, FakeConnector } from '../../support/fakeConnector.js';
import { fakePool, follow, take } from '../../support/fakePool.js';

describe('a return', () => {
  it('after an error costs no connection: what the server says next decides', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    fake.pool.release(connection, new Error('duplicate key value violates unique constraint'));
    await fake.runtime.settle();
    expect(await take(fake)).toBe(connection);
    expect(fake.closings).toEqual([]);
  });

  it('in the middle of a transaction rolls it back before anyone else gets the connection', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const rolledBack: unknown[] = [];
    fake.pool.on('rollback', (connection) => rolledBack.push(connection));
    const connection = await take(fake);
    connection.status = 'transaction';
    const next = follow(fake.pool.acquire());
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(next.value).toBe(connection);
    expect(connection).toMatchObject({ status: 'idle', resets: ['rollback'] });
    expect(rolledBack).toEqual([connection]);
    expect(fake.pool.stats().rolledBack).toBe(1);
  });

  it('in a failed transaction is rolled back as well', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    connection.status = 'failed-transaction';
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(fake.pool.stats()).toMatchObject({ rolledBack: 1, idle: 1 });
  });

  it('with a query unfinished is offered only after the server is ready', async () => {
    const fake = fakePool({ maxConnections: 1, healthTimeoutMs: 1_000 });
    const connection = await take(fake);
    connection.status = 'active';
    fake.server.resetting = () => ({ afterMs: 800 });
    const next = follow(fake.pool.acquire());
    fake.pool.release(connection);
    await fake.runtime.advance(799);
    expect(next.settled).toBe(false);
    await fake.runtime.advance(1);
    expect(next.value).toBe(connection);
  });

  it('that the server answers neither with readiness nor with the end within healthTimeoutMs aborts the connection', async () => {
    const fake = fakePool({ maxConnections: 1, healthTimeoutMs: 1_000 });
    const connection = await take(fake);
    fake.server.resetting = () => 'never';
    fake.pool.release(connection, new Error('query timeout'));
    const next = follow(fake.pool.acquire());
    await fake.runtime.advance(1_000);
    expect(connection.ended).toBe('aborted');
    expect(next.value).toBeDefined();
    expect(fake.closings).toEqual(['broken']);
  });

  it('that ends with the end of the stream retires the connection', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    fake.server.resetting = () => ({ error: new Error('terminating connection') });
    fake.pool.release(connection, new Error('terminating connection'));
    await fake.runtime.settle();
    expect(fake.closings).toEqual(['broken']);
  });

  it('that is late no longer counts as supply, and another connection is opened for whoever waits', async () => {
    const fake = fakePool({ maxConnections: 2 });
    const connection = await take(fake);
    fake.server.resetting = () => 'never';
    fake.pool.release(connection, new Error('query timeout'));
    const next = follow(fake.pool.acquire());
    await fake.runtime.advance(99);
    expect(fake.server.connects).toBe(1);
    await fake.runtime.advance(1);
    expect(next.value).toBeDefined();
  });

  it('keeps the process alive until it is finished', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    fake.server.resetting = () => ({ afterMs: 500 });
    fake.pool.release(connection, new Error('mistake'));
    await fake.runtime.advance(499);
    expect(connection.holdsProcess).toBe(true);
    await fake.runtime.advance(1);
    expect(connection.holdsProcess).toBe(false);
  });

  it('with reset none waits for the server and changes nothing', async () => {
    const fake = fakePool({ reset: 'none' });
    const connection = await take(fake);
    connection.status = 'transaction';
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(connection).toMatchObject({ status: 'transaction', resets: ['settle'] });
    expect(fake.pool.stats().rolledBack).toBe(0);
  });

  it('with reset session clears the session every time, after a rollback where one is needed', async () => {
    const fake = fakePool({ reset: 'session' });
    const connection = await take(fake);
    fake.pool.release(connection);
    await fake.runtime.settle();
    await take(fake);
    connection.status = 'transaction';
    fake.pool.release(connection);
    await fake.runtime.settle();
    expect(connection.resets).toEqual(['session', 'rollback', 'session']);
    expect(fake.pool.stats()).toMatchObject({ rolledBack: 1, idle: 1 });
  });

  it('needs no reset when it is clean, and no turn of the event loop', async () => {
    const fake = fakePool();
    const connection = await take(fake);
    fake.pool.release(connection);
    expect(fake.pool.stats()).toMatchObject({ idle: 1 });
    expect(connection.resets).toEqual([]);
  });
});

describe('a connection on which something was sent while nobody held it', () => {
  /** A driver with `finish`: the server has finished after a while. */
  const finishing = (afterMs: number) => (server: FakeConnector) => {
    const finish = async (connection: FakeConnection) => {
      if (afterMs > 0) await fake.runtime.sleep(afterMs);
      if (connection.status === 'active') connection.status = 'idle';
    };
    Object.assign(server, { finish });
  };
  let fake: ReturnType<typeof fakePool>;

  it('is handed to nobody before it is through, however long that takes, and another is opened meanwhile', async () => {
    fake = fakePool({ maxConnections: 2, healthTimeoutMs: 1_000 }, (server) => finishing(60_000)(server));
    const connection = await take(fake);
    fake.pool.release(connection);
    connection.status = 'active';
    const next = follow(fake.pool.acquire());
    await fake.runtime.advance(200);
    expect(next.value).toMatchObject({ id: 2 });
    await fake.runtime.advance(60_000);
    expect(fake.pool.figures).toMatchObject({ used: 1, idle: 1 });
    expect(connection).toMatchObject({ ended: undefined, status: 'idle' });
  });

  it.each(['transaction', 'failed-transaction'] as const)('is rolled back first when it is in a %s', async (status) => {
    fake = fakePool({ maxConnections: 1 }, (server) => finishing(0)(server));
    const connection = await take(fake);
    fake.pool.release(connection);
    connection.status = status;
    expect(await take(fake)).toBe(connection);
    expect(connection).toMatchObject({ status: 'idle', resets: ['rollback'] });
    expect(fake.pool.stats().rolledBack).toBe(1);
  });

  it('is not checked to death by its keepalive', async () => {
    fake = fakePool({ maxConnections: 1, keepaliveMs: 1_000 }, (server) => finishing(100)(server));
    const connection = await take(fake);
    fake.pool.release(connection);
    connection.status = 'active';
    fake.server.pinging = () => ({ error: new Error('The session cannot be checked') });
    await fake.runtime.advance(1_200);
    expect(connection.ended).toBeUndefined();
    expect(fake.closings).toEqual([]);
  });

  it('stays in its transaction with reset none, as a return does', async () => {
    fake = fakePool({ maxConnections: 1, reset: 'none' }, (server) => finishing(0)(server));
    const connection = await take(fake);
    fake.pool.release(connection);
    connection.status = 'transaction';
    expect(await take(fake)).toBe(connection);
    expect(connection).toMatchObject({ status: 'transaction', resets: [] });
  });
});

describe('a reset that gives the session to a new connection', () => {
  it('has the new one take the place of the old one, which is known no more', async () => {
    const fake = fakePool({ maxConnections: 1 });
    const connection = await take(fake);
    const renewed = { ...connection, id: 99 };
    vi.spyOn(fake.server, 'reset').mockImplementation(async () => ({ rolledBack: false, renewed }));
    fake.pool.release(connection, new Error('failed'));
    expect(await take(fake)).toBe(renewed);
    expect(fake.pool.stats()).toMatchObject({ opened: 1, used: 1 });
    expect(() => fake.pool.release(connection)).toThrow('not checked out');
    fake.pool.release(renewed);
  });
});
