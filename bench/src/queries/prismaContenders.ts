import { createHash } from 'node:crypto';
import { PrismaPg } from '@prisma/adapter-pg';
import { tenure } from '@tenure/prisma';
import type { Name } from './names.js';
import { someCustomer, someOrder } from './tables.js';
import { CALLERS, type Contender, IDLE_MS, MAX, type Operations } from './workloads.js';

/** The part of the generated client that is used here. Its own types exist only once it has been generated. */
interface Models {
  readonly customer: { findFirst(args: object): Promise<unknown> };
  readonly order: {
    findMany(args: object): Promise<unknown>;
    findFirst(args: object): Promise<unknown>;
    update(args: object): Promise<unknown>;
  };
  readonly note: { create(args: object): Promise<unknown> };
}

interface OrdersClient extends Models {
  $transaction<T>(work: (models: Models) => Promise<T>, limits: typeof PATIENT): Promise<T>;
  $disconnect(): Promise<void>;
  $extends(extension: ReturnType<typeof tenure>): OrdersClient;
}

interface Generated {
  PrismaClient: new (options: { adapter: PrismaPg }) => OrdersClient;
}

/** Prisma gives up a transaction after 2 s in line. On a machine that is busy with other work, that would end the benchmark. */
const PATIENT = { maxWait: 30_000, timeout: 30_000 };

/** The file beside the compiled process, which contains this file when it runs. */
const COMPILED = new URL('./ordersClient.js', import.meta.url);

export async function stockPrisma(name: Name, url: string): Promise<Contender> {
  return withPrisma(name, await newClient(url));
}

/** Prisma with named statements as its documentation shows: the hash of the text, kept in a map. */
export async function namingPrisma(name: Name, url: string): Promise<Contender> {
  const names = new Map<string, string>();
  const statementNameGenerator = ({ sql }: { sql: string }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    const made = createHash('sha256').update(sql).digest('hex').slice(0, 32);
    names.set(sql, made);
    return made;
  };
  return withPrisma(name, await newClient(url, { statementNameGenerator }));
}

export async function tenurePrisma(name: Name, url: string): Promise<Contender> {
  return withPrisma(name, (await newClient(url)).$extends(tenure()));
}

async function newClient(url: string, options: ConstructorParameters<typeof PrismaPg>[1] = {}): Promise<OrdersClient> {
  const { PrismaClient } = (await import(COMPILED.href)) as Generated;
  const config = { connectionString: url, max: MAX, idleTimeoutMillis: IDLE_MS };
  return new PrismaClient({ adapter: new PrismaPg(config, options) });
}

function withPrisma(name: Name, client: OrdersClient): Contender {
  return { name, callers: CALLERS, operations: operationsOf(client), close: () => client.$disconnect() };
}

function operationsOf(client: OrdersClient): Operations {
  return {
    // Not `findUnique`: Prisma joins several of the same turn into one query. They are of the same turn here, but seldom in a server.
    lookup: () => client.customer.findFirst({ where: { id: someCustomer() } }),
    join: () =>
      client.order.findMany({
        where: { customerId: someCustomer() },
        orderBy: { id: 'desc' },
        take: 10,
        include: { customer: true },
      }),
    insert: () => insert(client, someOrder()),
    transaction: () => client.$transaction(changeOrder, PATIENT),
  };
}

async function changeOrder(models: Models): Promise<void> {
  const id = someOrder();
  await models.order.findFirst({ where: { id }, select: { cents: true } });
  await models.order.update({ where: { id }, data: { cents: id % 997 }, select: { id: true } });
  await insert(models, id);
}

function insert({ note }: Models, orderId: number): Promise<unknown> {
  return note.create({ data: { orderId, body: 'as agreed' }, select: { id: true } });
}
