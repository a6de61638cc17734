import type { Policy } from '../../policy/policy.js';
import type { Connector } from '../../pool/connector.js';
import { Pool } from '../../pool/pool.js';
import { type Identity, limitFinder } from './identity.js';

/** A pool for an adapter, which keeps to one limit with others like it. */
export function sharedPool<C extends object>(connector: Connector<C>, policy: Policy, identity: Identity): Pool<C> {
  return new Pool(connector, policy, undefined, limitFinder(policy, identity));
}
