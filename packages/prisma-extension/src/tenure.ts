import { isDeepStrictEqual } from 'node:util';
import { Prisma } from '@prisma/client/extension';
import { type PolicyOverrides, TenureUsageError } from '@tenure/core';
import { isConnectionLost } from './adapterErrors.js';
import { bindPolicy, connectOn, type PolicyBinding } from './policyBinding.js';
import {
  disconnectAfter,
  factoryOf,
  givenTo,
  interceptRequests,
  mark,
  markOf,
  overrideConnect,
} from './prismaInternals.js';
import type { PrismaPool } from './sharedPool.js';

/** Operations that cannot write, whatever their arguments. */
const READS = [
  'findUnique',
  'findUniqueOrThrow',
  'findFirst',
  'findFirstOrThrow',
  'findMany',
  'count',
  'aggregate',
  'groupBy',
];

/**
 * Gives a Prisma client Tenure's pool: `new PrismaClient({ adapter: new PrismaPg(config) }).$extends(tenure())`.
 *
 * Adds `prisma.$pool`, and returns the same client. Apply it before the client's first query, in any order with other extensions.
 *
 * @param policy single settings; others are read from the environment, then from the adapter's config and connection URL, or have
 * their default
 */
export function tenure(policy: PolicyOverrides = {}) {
  if (typeof policy === 'object' && policy !== null && '$extends' in policy) {
    throw new TenureUsageError('tenure was given to $extends() without being called: write $extends(tenure()).');
  }
  return Prisma.defineExtension((client) => {
    const { pool, retryReads } = bindingOf(factoryOf(client), policy);
    if (!isExtended(client, pool)) {
      const connectFirst = async () => {
        // Does nothing if the client has connected already. The client's type lacks the method.
        await (client as unknown as { $connect(): Promise<void> }).$connect();
        if (!pool.wasUsed) throw tooLate();
      };
      interceptRequests(client, (request, run) => {
        const first = pool.wasUsed ? run() : connectFirst().then(run);
        const isRetried = retryReads && request.transaction === undefined && READS.includes(request.action);
        const result = isRetried
          ? first.catch((error: unknown) => {
              if (!isConnectionLost(error)) throw error;
              return run();
            })
          : first;
        return pool.work.add(result);
      });
      disconnectAfter(client, () => pool.work.ended());
      Object.defineProperty(client, '$pool', { value: pool, configurable: true });
    }
    // Used for its type only: a client made by an extension makes each operation cost more.
    const extended = () => client.$extends({ name: 'tenure', client: { $pool: pool as PrismaPool } });
    return client as unknown as ReturnType<typeof extended>;
  });
}

/** The policy and the pool of a client's factory, made by the first call. */
function bindingOf(factory: object, given: PolicyOverrides): PolicyBinding {
  const before = markOf(factory) as PolicyBinding | undefined;
  if (before) {
    if (Object.keys(given).length === 0 || isDeepStrictEqual(before.given, given)) return before;
    throw new TenureUsageError(
      'The adapter of this client has another policy already. Call tenure() with the same policy for all clients ' +
        'of an adapter, or give each client an adapter of its own.',
    );
  }
  const { source, options } = givenTo(factory);
  const binding = bindPolicy(source, options, given);
  overrideConnect(factory, (onPool) => connectOn(binding.pool, onPool));
  mark(factory, binding);
  return binding;
}

/** Whether the client has this extension already. A second one would retry reads twice. */
function isExtended(client: object, pool: PrismaPool): boolean {
  return '$pool' in client && client.$pool === pool;
}

function tooLate(): TenureUsageError {
  return new TenureUsageError(
    'tenure() was applied to a Prisma client that had connected already, so its queries run on a pool of another kind. ' +
      'Apply it where the client is made, before its first query and before $connect(): new PrismaClient({ adapter }).$extends(tenure()).',
  );
}
