export { fromPgPool } from './policy/pgPool.js';
export { type CancelOptions, cancelRequest, type PgConnectionClass } from './postgres/cancel.js';
export { type PgConfig, pgConnector } from './postgres/connector.js';
export type { PgClient } from './postgres/pgTypes.js';
export type { PoolConfig } from './postgres/pool/options.js';
export { Pool, poolMadeAt } from './postgres/pool/pgPool.js';
export { type PgSession, pgSession, type SessionOptions } from './postgres/session.js';
export { type Identity, placeOf, type TargetSettings, targetOf } from './postgres/sharing/identity.js';
export { sharedPool } from './postgres/sharing/sharedPool.js';
