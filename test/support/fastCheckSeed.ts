import fc from 'fast-check';
import { seedFrom } from './seed.js';

/** One seed for all properties without a seed of their own: `FC_SEED`, or a fixed one in CI. Elsewhere each property draws its own. */
if (process.env.CI || process.env.FC_SEED)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedFrom('FC_SEED') });
