import { type PolicyOverrides, parsePolicy, TenureUsageError } from '@tenure/core';
import type { Lender } from '@tenure/core/adapter';
import type { Knex } from 'knex';
import { type Connection, dialectOf } from './dialect.js';
import { fromKnex } from './hostSettings.js';
import { sharedPoolOf } from './sharedPool.js';
import { tenureClient } from './tenureClient.js';

/** The client classes that `tenure` has made. */
const made = new WeakSet<object>();

/**
 * Replaces Knex's own pool with Tenure's. Everything else of the config, and of Knex, stays the same.
 *
 * @param config what `knex()` takes: a config, or a connection string
 * @param policy single settings; others are read from the environment, then from Knex's own pool settings, or have their default
 * @returns a config for `knex()`; the one that was passed is not changed
 * @throws TenurePolicyError with every problem, when a setting is not allowed
 * @throws TenureUsageError when the config is for another database, or its `connectionPool` is not a `Pool` of Tenure
 */
export function tenure(config: Knex.Config | string, policy?: PolicyOverrides): Knex.Config {
  const given = typeof config === 'string' ? fromConnectionString(config) : config;
  if (typeof given !== 'object' || given === null) throw nothingGiven(given);
  if (isMade(given)) return unlessTwoPolicies(given, policy);
  const shared = sharedPoolOf(given);
  if (shared !== undefined) return overPool(shared, given, policy);
  const policyFor = (asGiven: Knex.Config) => parsePolicy(process.env, policy, fromKnex(asGiven));
  // With `max: 0` Knex makes no pool, so there is nothing to do.
  if (given.pool?.max !== 0) policyFor(given);
  const client = tenureClient(dialectOf(given), given.client, policyFor);
  made.add(client);
  return { ...given, client };
}

/** The config for a Knex that borrows from a pool which others use as well. It has a `connection`, because Knex makes no pool without one. */
function overPool(shared: Lender<Connection>, given: Knex.Config, policy: PolicyOverrides | undefined): Knex.Config {
  if (policy !== undefined) {
    throw new TenureUsageError(
      'The connectionPool of this Knex config has a policy already: give the policy to that pool.',
    );
  }
  const client = tenureClient(dialectOf(given), given.client, shared);
  made.add(client);
  const { connectionPool: _, ...config } = given;
  return { ...config, client, connection: {} };
}

function nothingGiven(given: unknown): TenureUsageError {
  return new TenureUsageError(
    `tenure() takes what knex() takes, a config or a connection string, and was given ${given}. Is a variable not set?`,
  );
}

/** Splits a connection string as Knex does: the protocol names the client. */
function fromConnectionString(connection: string): Knex.Config {
  return { client: connection.slice(0, connection.indexOf(':')), connection };
}

function isMade({ client }: Knex.Config): boolean {
  return typeof client === 'function' && made.has(client);
}

/** Returns the config of an earlier call of `tenure`. A second policy would contradict the first, so it is refused. */
function unlessTwoPolicies<C extends Knex.Config>(config: C, policy: PolicyOverrides | undefined): C {
  if (policy === undefined) return config;
  throw new TenureUsageError('This Knex config has been through tenure() already: give the policy to the first call.');
}
