import { TenureClosedError, TenureTimeoutError, TenureTooManyWaitingError, TenureUnreachableError } from '@tenure/core';
import { poolOf } from '@tenure/knex';
import knex, { type Knex } from 'knex';
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/freePort.js';
import { usePostgres } from '../support/usePostgres.js';
import { Log, useKnex } from './support.js';

const postgres = await usePostgres();
const { open } = useKnex(postgres);

/** The error of a promise, or of a query that runs when it is awaited. */
async function failure<E extends Error>(act: PromiseLike<unknown>): Promise<E> {
  try {
    await act;
  } catch (error) {
    return error as E;
  }
  throw new Error('It did not fail');
}

/** Begins a transaction and leaves it open until the test ends it. */
async function hold(db: Knex): Promise<Knex.Transaction> {
  const trx = await db.transaction();
  await trx.raw('select 1');
  return trx;
}

describe('a pool that has never connected', () => {
  it('warns after a second of what it meets, without the password', async () => {
    const log = new Log();
    const connection = {
      host: '127.0.0.1',
      port: await freePort(),
      user: 'app',
      password: 'a secret',
      database: 'app',
    };
    const db = open({ log, connection }, { acquireTimeoutMs: 3_000 });
    const warned = new Promise<string>((resolve) => {
      log.onWarn = resolve;
    });
    const outcome = failure(db.raw('select 1'));
    const message = await warned;
    expect(message).toContain('has not connected to the database yet');
    expect(message).toContain(`connect ECONNREFUSED 127.0.0.1:${connection.port}`);
    expect(message).not.toContain('a secret');
    await outcome;
  });
});

describe('a checkout that timed out', () => {
  it('is a KnexTimeoutError that tells the figures and names the holders', async () => {
    const db = open({}, { maxConnections: 2, acquireTimeoutMs: 1_000 });
    const holders = [await hold(db), await hold(db)];
    const busy = holders[1]!.raw('select pg_sleep(2)').then();
    const error = await failure<TenureTimeoutError & { sql: string }>(db('t').where({ id: 1 }));
    expect(error).toBeInstanceOf(knex.KnexTimeoutError);
    expect(error.name).toBe('KnexTimeoutError');
    expect(error.message).toMatch(/^Knex: Timeout acquiring a connection\. No connection came free within \d+ ms: /);
    expect(error.message).toContain('2 used, 0 idle, 0 opening of at most 2');
    expect(error.message).toMatch(/backend \d+, held for \d+ ms, in a transaction, no query in flight/);
    expect(error.message).toMatch(/backend \d+, held for \d+ ms, a query in flight/);
    expect(error.message).not.toContain('transacting');
    expect(error.cause).toBeInstanceOf(TenureTimeoutError);
    expect(error.cause).toMatchObject({ code: 'TENURE_ACQUIRE_TIMEOUT', figures: { used: 2, max: 2 } });
    await busy;
    await Promise.all(holders.map((trx) => trx.rollback()));
  });

  it('names a missing .transacting(trx), and a warning did so long before', async () => {
    const log = new Log();
    const db = open({ log }, { maxConnections: 2, acquireTimeoutMs: 4_000 });
    const forgetful = () =>
      db.transaction(async (trx) => {
        await trx.raw('select 1');
        await db.raw('select 2');
      });
    const warnedAfter = new Promise<number>((resolve) => {
      const began = performance.now();
      log.onWarn = (message) => message.includes('.transacting(trx)') && resolve(performance.now() - began);
    });
    const outcomes = Promise.allSettled([forgetful(), forgetful()]);
    expect(await warnedAfter).toBeLessThan(2_500);
    // The first to give up sets the other free.
    const errors = (await outcomes).flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) {
      expect(error).toBeInstanceOf(knex.KnexTimeoutError);
      expect(error.message).toContain('All 2 connections are held by transactions with no query in flight while');
      expect(error.message).toContain('is a .transacting(trx) missing');
    }
  });

  it('tells the last connect error', async () => {
    const db = open({}, { maxConnections: 2, acquireTimeoutMs: 1_000 });
    const trx = await hold(db);
    await postgres.admin('alter role app connection limit 1');
    const error = await failure(db.raw('select 1'));
    await postgres.admin('alter role app connection limit -1');
    expect(error.message).toContain('too many connections for role "app"');
    expect(error.message).toContain('1 used');
    await trx.rollback();
  });

  it('carries the query, as in Knex', async () => {
    const db = open({}, { maxConnections: 1, acquireTimeoutMs: 1_000 });
    const trx = await hold(db);
    expect(await failure(db.raw('select ?::int', [1]))).toMatchObject({ sql: 'select ?::int', bindings: [1] });
    await trx.rollback();
  });
});

describe('a database that is unreachable', () => {
  it('is a KnexTimeoutError too, with the reason', async () => {
    const connection = { host: '127.0.0.1', port: await freePort() };
    const db = open({ connection }, { acquireTimeoutMs: 300 });
    const error = await failure<TenureUnreachableError>(db.raw('select 1'));
    expect(error).toBeInstanceOf(knex.KnexTimeoutError);
    expect(error.message).toMatch(
      /^Knex: Timeout acquiring a connection\. The database is unreachable: .*ECONNREFUSED/,
    );
    expect(error.cause).toBeInstanceOf(TenureUnreachableError);
    expect((error.cause as Error).cause).toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a server that refuses us', () => {
  it.each([
    ['a wrong password', { password: 'wrong' }, '28P01'],
    ['a database that does not exist', { database: 'nowhere' }, '3D000'],
  ])("answers %s itself: the error is PostgreSQL's own", async (_, wrong, code) => {
    const { host, port, user, password, database } = postgres;
    const db = open({ connection: { host, port, user, password, database, ...wrong } });
    const error = await failure(db.raw('select 1'));
    expect(error).toMatchObject({ name: 'error', code, severity: 'FATAL' });
    expect(error).not.toBeInstanceOf(knex.KnexTimeoutError);
  });
});

describe('other refusals', () => {
  it('say that too many wait', async () => {
    const db = open({}, { maxConnections: 1, maxWaiting: 0 });
    const trx = await hold(db);
    expect(await failure(db.raw('select 1'))).toBeInstanceOf(TenureTooManyWaitingError);
    await trx.rollback();
  });

  it('say that the pool is closing, or gone', async () => {
    const db = open({}, { maxConnections: 1 });
    const trx = await hold(db);
    const waiting = db.raw('select 1').then();
    await expect.poll(() => poolOf(db).stats().waiting).toBe(1);
    const destroyed = db.destroy();
    expect(await failure(db.raw('select 1').then())).toBeInstanceOf(TenureClosedError);
    await trx.rollback();
    await waiting;
    await destroyed;
    // Knex's own words.
    expect((await failure(db.raw('select 1'))).message).toBe('Unable to acquire a connection');
  });
});

describe('with leakAfterMs', () => {
  const slowReport = (db: Knex) => db.raw('select pg_sleep(0.5)');
  const longTransaction = (db: Knex) => db.transaction(async (trx) => trx.raw('select pg_sleep(2)'));
  const forgottenTransaction = (db: Knex) => db.transaction();
  const longStream = async (db: Knex) => db.select(db.raw('pg_sleep(0.5)')).from(db.raw('generate_series(1, 1)'));
  const schemaChange = async (db: Knex) => db.schema.raw('select pg_sleep(0.5)');

  it.each([
    ['a query', slowReport, 'slowReport'],
    ['a query built step by step', longStream, 'longStream'],
    ['a transaction', longTransaction, 'longTransaction'],
    ['a schema change', schemaChange, 'schemaChange'],
  ])('a warning shows where %s began', async (_, begin, name) => {
    const log = new Log();
    await begin(open({ log }, { leakAfterMs: 100 }));
    expect(log.warnings).toHaveLength(1);
    expect(log.warnings[0]).toMatch(
      /held for longer than CONN_LEAK_THRESHOLD \(100 ms\): backend \d+.*taken at\n +at \S*/,
    );
    expect(log.warnings[0]!.split('taken at\n')[1]).toMatch(
      new RegExp(`^ +at (async )?${name} \\(.*errors\\.test\\.ts`),
    );
  });

  it('a timeout shows where each holder began, oldest first', async () => {
    const db = open({}, { leakAfterMs: 60_000, maxConnections: 2, acquireTimeoutMs: 1_000 });
    const report = longTransaction(db);
    const forgotten = await forgottenTransaction(db);
    const { message } = await failure(db.raw('select 1'));
    await Promise.all([report, forgotten.rollback()]);
    expect(message).toMatch(/taken at\n +at longTransaction .*taken at\n +at forgottenTransaction /s);
    expect(message).not.toContain('node_modules/knex');
  });

  it('a connection that the app takes itself is shown where it takes it', async () => {
    const log = new Log();
    const db = open({ log }, { leakAfterMs: 100, maxConnections: 1 });
    await slowReport(db);
    const takeByHand = async () => db.client.acquireConnection();
    const connection = await takeByHand();
    await expect.poll(() => log.warnings.length).toBe(2);
    await db.client.releaseConnection(connection);
    expect(log.warnings[1]).toContain('takeByHand');
    expect(log.warnings[1]).not.toContain('slowReport');
  });

  it('without it nothing is captured', async () => {
    const db = open({}, { maxConnections: 1, acquireTimeoutMs: 1_000 });
    const trx = await hold(db);
    expect((await failure(db.raw('select 1'))).message).not.toContain('taken at');
    await trx.rollback();
  });
});
