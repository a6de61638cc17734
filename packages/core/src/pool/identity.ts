import type { Policy } from '../policy/policy.js';
import type { Connector, ServerTarget } from './connector.js';

/** The identity of a pool, by the names that OpenTelemetry's instrumentations read in a channel's context. */
export interface PoolIdentity extends ServerTarget {
  /**
   * The policy's `name`. The default is `host:port/database`, as in OpenTelemetry's conventions, which several pools of one
   * target have in common. `unnamed` while the target is unknown.
   */
  readonly poolName: string;
}

export function identityOf<C extends object>(policy: Policy, connector: Connector<C>): PoolIdentity {
  const target = connector.target?.() ?? {};
  return { poolName: policy.name ?? nameOf(target), ...target };
}

function nameOf({ serverAddress, serverPort, database }: ServerTarget): string {
  if (serverAddress === undefined) return 'unnamed';
  const port = serverPort === undefined ? '' : `:${serverPort}`;
  return `${serverAddress}${port}${database === undefined ? '' : `/${database}`}`;
}
