import fc from 'fast-check';
import { seedFrom } from './seed.js';

/** One seed for all properties that have none of their own: `FC_SEED`, in CI a fixed one, else drawn by each. */
if (process.env.CI || process.env.FC_SEED)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedFrom('FC_SEED') });
