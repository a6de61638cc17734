import type { NotReusedCause, ReuseFacts } from '../lifecycle/reuse.js';
import { POLICY_OPTIONS } from '../policy/options.js';
import type { Policy, PolicyKey } from '../policy/policy.js';

/**
 * The message for connections that are opened almost as fast as they are used.
 *
 * @param owners pools that share the limit
 */
export function notReused(cause: NotReusedCause, facts: ReuseFacts, policy: Policy, owners: number): string {
  const { forMs, acquired, opened, lost } = facts;
  return (
    `Connections are not reused: ${opened} were opened for ${acquired} acquires in ${duration(forMs)}, and ${lost[cause]} closed ` +
    `${CLOSED_AS[cause]}. ${LIKELIEST[cause](policy, owners)}`
  );
}

const CLOSED_AS: Readonly<Record<NotReusedCause, string>> = {
  'max-age': 'as `max-age`',
  'max-uses': 'as `max-uses`',
  idle: 'as `idle`',
  'reuse-conns': 'as `overflow`',
  'shared-limit': 'as `overflow`',
  discarded: 'as `discarded`',
  'ended-by-app': 'as `broken`, because the app had ended them',
  ended: 'as `broken` or `failed-check`, after they had been idle',
  crowded: 'as `crowded`',
  other: 'for other reasons',
};

/** Why a pool closes connections that it could reuse, and what to do. */
const LIKELIEST: Readonly<Record<NotReusedCause, (policy: Policy, owners: number) => string>> = {
  'max-age': (policy) =>
    policy.maxAgeMs === 0
      ? `${nameOf(policy, 'maxAgeMs')} is 0, which closes a connection after each use. Set it to how long a connection may live, such as 30 min.`
      : `${nameOf(policy, 'maxAgeMs')} is ${duration(policy.maxAgeMs)}, which is shorter than the time between two uses. Set it to minutes.`,
  'max-uses': (policy) => `${nameOf(policy, 'maxUses')} is ${policy.maxUses}. Set it to thousands, or to none.`,
  idle: (policy) =>
    `${nameOf(policy, 'idleTimeoutMs')} is ${duration(policy.idleTimeoutMs)}, which is shorter than the pauses between two uses. Set it to minutes.`,
  'reuse-conns': (policy) =>
    `${nameOf(policy, 'reuseConnections')} is ${policy.reuseConnections}, far below what the load uses: idle connections above it are closed after a second. Set it to as many as are in use at once, or to ${nameOf(policy, 'maxConnections')}.`,
  'shared-limit': (policy, owners) =>
    `${owners} pools share one limit of ${policy.maxConnections}, and take the places of each other's connections. Make one pool, and use it everywhere; or raise ${nameOf(policy, 'maxConnections')}.`,
  discarded: () =>
    'The app closes them: by release(true), by release(error) with an error of its own, or by discard(). Release without an argument what still works.',
  'ended-by-app': () =>
    'The app ends them: client.end() is called on a connection of the pool, perhaps in a hook. Release it instead.',
  ended: () =>
    'The server, a pooler or a device between ends them: look for idle_session_timeout, client_idle_timeout or server_lifetime of the pooler, and the idle timeout of load balancers. Set CONN_KEEPALIVE or CONN_IDLE_TIMEOUT below it.',
  crowded: () =>
    'The server has no free slot, and pools of this process close connections of others. Lower MAX_CONNS of each, or raise max_connections of the server.',
  other: () => '`stats().closed` has the reasons, and docs/observability.md explains each.',
};

/** The message for an app that makes a pool for each request, or for each reload. */
export function poolsMadeAnew(pools: number, poolName: string): string {
  return (
    `Connections are not reused: this process has ${pools} pools on ${poolName}, and each has hardly used the connections that it has opened. ` +
    'Is a pool made for each request, or at each reload of a module? Make one, outside of that, and use it everywhere.'
  );
}

/** The setting's name as the user wrote it, or the variable that would set it. */
function nameOf(policy: Policy, key: PolicyKey): string {
  return policy.sources[key].name ?? POLICY_OPTIONS[key].env;
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1_000)} s`;
}
