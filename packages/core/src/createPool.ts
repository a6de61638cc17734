import { TenureUsageError } from './errors.js';
import { parsePolicy } from './policy/parsePolicy.js';
import { isPolicy, type Policy, type PolicyOverrides } from './policy/policy.js';
import type { Connector } from './pool/connector.js';
import { Pool } from './pool/pool.js';

/**
 * Makes a pool over any driver.
 *
 * @param connector how to connect, close, and whatever else the driver can do
 * @param policy a policy from `parsePolicy`, or single settings; others are read from the environment, or have their default
 * @throws TenurePolicyError with every problem, when a setting cannot be followed
 * @throws TenureUsageError when the connector cannot connect, or belongs to another pool
 */
export function createPool<C extends object>(connector: Connector<C>, policy: Policy | PolicyOverrides = {}): Pool<C> {
  if (typeof connector?.connect !== 'function' || typeof connector.close !== 'function') {
    throw new TenureUsageError(
      'createPool() takes a connector, an object that can `connect` and `close`. ' +
        'For PostgreSQL: createPool(pgConnector(connectionString)), with the pgConnector of @tenure/core/pg.',
    );
  }
  return new Pool(connector, isPolicy(policy) ? policy : parsePolicy(process.env, policy));
}
