export { type InstrumentedPool, type InstrumentOptions, instrument } from './instrument.js';
