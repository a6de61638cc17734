import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { expect, it } from 'vitest';
import { PrismaClient } from './generated/client.js';

/**
 * Internals that packages/prisma-extension/src/prismaInternals.ts relies on. If one of these tests fails, a new Prisma has moved
 * one, and that file must follow.
 */
const MOVED = 'Prisma has moved this; prismaInternals.ts must follow';

const config = { connectionString: 'postgres://app:app@127.0.0.1:1/app' };
const options = { schema: 'other' };

it('the client keeps its adapter factory in _engineConfig.adapter, and connects by its method', async () => {
  let connects = 0;
  const adapter = new PrismaPg(config, options);
  const client = new PrismaClient({ adapter });
  const { _engineConfig: engine } = client as unknown as { _engineConfig: { adapter: unknown; clientVersion: string } };
  expect(engine.adapter, MOVED).toBe(adapter);
  expect(engine.clientVersion, MOVED).toMatch(/^\d+\.\d+\.\d+/);
  adapter.connect = () => {
    connects++;
    return PrismaPg.prototype.connect.call(adapter);
  };
  await client.$connect();
  await client.$disconnect();
  await client.$connect();
  await client.$disconnect();
  expect(connects, MOVED).toBe(2);
});

it('PrismaPg keeps what it is given in config, externalPool and options', async () => {
  expect(new PrismaPg(config, options), MOVED).toMatchObject({ config, externalPool: null, options });
  expect(new PrismaPg(config.connectionString), MOVED).toMatchObject({ config });
  const pool = new pg.Pool(config);
  const factory = new PrismaPg(pool);
  expect((factory as unknown as { externalPool: unknown }).externalPool, MOVED).toBe(pool);
  expect(factory.adapterName, MOVED).toBe('@prisma/adapter-pg');
  expect((await factory.connect()).underlyingDriver(), MOVED).toBe(pool);
  await pool.end();
});

it('the client hands its operations on through _request, with their action and transaction, and so do clients extended from it', async () => {
  const asked: unknown[] = [];
  const client = new PrismaClient({ adapter: new PrismaPg(config) });
  Object.defineProperty(client, '_request', {
    value: async ({ action, transaction }: { action: string; transaction?: { kind: string } }) => {
      asked.push([action, transaction?.kind]);
      return [];
    },
  });
  await client.user.findMany();
  await client.$transaction([client.user.findMany()]);
  await client.$extends({ client: { $named: true } }).user.findMany();
  expect(asked, MOVED).toEqual([
    ['findMany', undefined],
    ['findMany', 'batch'],
    ['findMany', undefined],
  ]);
});
