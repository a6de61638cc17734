export { createPool } from './createPool.js';
export * from './errors.js';
export type { CloseReason } from './lifecycle/state.js';
export {
  type Advice,
  type AdvisedSetting,
  advise,
  type Expectation,
  type ProcessLoad,
  type ServerLimits,
  type SizingFacts,
} from './policy/advise.js';
export { type HostSettings, parsePolicy } from './policy/parsePolicy.js';
export type { Policy, PolicyKey, PolicyOverrides, PolicySource } from './policy/policy.js';
export type { PointContexts, PoolContext, TracingContexts } from './pool/channels.js';
export type {
  ConnectFailure,
  Connector,
  PoolerKind,
  ResetMode,
  ResetResult,
  ServerTarget,
  StatementStats,
} from './pool/connector.js';
export type { ConnectionInfo } from './pool/entry.js';
export type { PoolEvents } from './pool/events.js';
export type { PoolWarning } from './pool/messages.js';
export type { Pool } from './pool/pool.js';
export type { BudgetStats, SlotLocks } from './pool/slotLocks.js';
export type { PoolStats } from './pool/stats.js';
export type { AcquireOptions } from './pool/waitQueue.js';
