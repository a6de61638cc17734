import type { Policy } from '../policy/policy.js';
import type { Connector, ServerTarget } from './connector.js';

/** Which pool it is, by the names that OpenTelemetry's instrumentations read in a channel's context. */
export interface PoolIdentity extends ServerTarget {
  /**
   * The policy's `name`. Without one `host:port/database`, as OpenTelemetry's conventions ask: not unique where several pools have one target.
   * `unnamed` while that is not known either.
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
