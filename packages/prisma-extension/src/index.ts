export type { PrismaPool } from './sharedPool.js';
export { tenure } from './tenure.js';
export { type TenureAdapter, tenureAdapter } from './tenureAdapter.js';
