export { type Inspector, inspector } from './inspector.js';
export type { InspectablePool, InspectorOptions } from './options.js';
