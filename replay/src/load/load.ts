import { builtFile } from '../output/folders.js';
import { type Child, startChild } from '../processes/child.js';
import type { Cleanup } from '../processes/cleanup.js';
import { compile } from '../processes/compile.js';
import type { GeneratorFunctions } from './generator.js';
import type { Progress } from './loadTypes.js';

const SOURCE = new URL('./generator.ts', import.meta.url);
const ENTRY = 'generator.js';

export const compileGenerator = async () => compile(SOURCE, await builtFile(ENTRY));

export type Generator = Child<GeneratorFunctions>;

/** The load generator. Its own process separates its CPU time from the app's. */
export async function startGenerator(onProgress: (progress: Progress) => void, cleanup: Cleanup): Promise<Generator> {
  const entry = await builtFile(ENTRY);
  const generator = startChild<GeneratorFunctions>(entry, 'The load generator', { progress: onProgress });
  cleanup.defer(() => generator.stop());
  return generator;
}
