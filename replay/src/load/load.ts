import { type Child, startChild } from '../processes/child.js';
import type { Cleanup } from '../processes/cleanup.js';
import { compile } from '../processes/compile.js';
import type { GeneratorFunctions } from './generator.js';
import type { Progress } from './loadTypes.js';

const SOURCE = new URL('./generator.ts', import.meta.url);
const ENTRY = new URL('../../dist/generator.js', import.meta.url);

export const compileGenerator = () => compile(SOURCE, ENTRY);

export type Generator = Child<GeneratorFunctions>;

/** The load generator, in a process of its own so that its CPU time can be told from the app's. */
export function startGenerator(onProgress: (progress: Progress) => void, cleanup: Cleanup): Generator {
  const generator = startChild<GeneratorFunctions>(ENTRY, 'The load generator', { progress: onProgress });
  cleanup.defer(() => generator.stop());
  return generator;
}
