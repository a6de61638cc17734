export { poolOf } from './poolOf.js';
export { tenure } from './tenure.js';
