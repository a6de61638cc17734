export { type CancelOptions, cancelRequest, type PgConnectionClass } from './postgres/cancel.js';
export { type PgConfig, pgConnector } from './postgres/connector.js';
export type { PgClient } from './postgres/pgTypes.js';
export { type PgSession, pgSession, type SessionOptions } from './postgres/session.js';
