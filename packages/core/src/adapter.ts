/*
 * The parts of the core that the adapters of Knex and Prisma need, and apps do not. Unstable: any release may change or remove
 * them, without notice in the version. An adapter must be released together with the core, as `@tenure/knex` and `@tenure/prisma`
 * are.
 */
export { systemRuntime } from './pool/clock.js';
export { STUCK_QUESTION } from './pool/messages.js';
export { ENGINE, type PoolView, processPools } from './pool/processPools.js';
export type { UseObserver } from './pool/uses.js';
export { type CancelOptions, cancelRequest, type PgConnectionClass } from './postgres/cancel.js';
export { connectionOf, type EndListeners, type PgConnection } from './postgres/connection.js';
export { type ClientConnector, type ConnectorHooks, clientConnector } from './postgres/pgConnector.js';
export type { PgClient } from './postgres/pgTypes.js';
export type { ReadHost, SharedReads } from './postgres/pipeline/sharedReads.js';
export { type Lender, lenderOf } from './postgres/pool/lender.js';
export { poolMadeAt } from './postgres/pool/pgPool.js';
export { fromPgPool } from './postgres/pool/pgPoolOptions.js';
export { isOpen } from './postgres/session.js';
export { type Identity, placeOf, sharedPool, type TargetSettings, targetOf } from './postgres/sharing/registry.js';
