export { type PgConfig, type PgConnectorOptions, pgConnector } from './postgres/pgConnector.js';
export { Pool } from './postgres/pool/pgPool.js';
export type { PoolConfig } from './postgres/pool/pgPoolOptions.js';
