import type { Policy } from '../policy/policy.js';
import type { Clock, Runtime } from './clock.js';
import type { Connector } from './connector.js';
import type { Announcer } from './events.js';
import type { Membership } from './sharedLimit.js';
import type { Counters } from './stats.js';
import type { Questions } from './timeLimit.js';

/** What all parts of one pool share. */
export interface Context<C extends object> {
  readonly connector: Connector<C>;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly announcer: Announcer<C>;
  readonly membership: Membership;
  readonly questions: Questions<C>;
  /** Replaced as a whole by `resize`; a policy itself never changes. */
  policy: Policy;
}
