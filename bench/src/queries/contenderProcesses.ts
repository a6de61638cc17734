import { builtFile } from '@tenure/replay/output/folders.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { startAsked } from '../askedProcess.js';
import { FAMILIES, FAMILY_KEYS, type Name } from './names.js';
import type { Figures, Turn } from './slice.js';

const SOURCE = new URL('./contenderProcess.ts', import.meta.url);
const ROOT = new URL('../../', import.meta.url);

/** A contender, in a process of its own. */
export interface ContenderProcess {
  readonly name: Name;
  run(turn: Turn): Promise<Figures>;
  stop(): void;
}

export async function startContenders(url: string): Promise<ContenderProcess[]> {
  const entry = await builtFile('contenderProcess.js', ROOT);
  await compile(SOURCE, entry);
  const names = FAMILY_KEYS.flatMap((family): readonly Name[] => FAMILIES[family]);
  return Promise.all(
    names.map(async (name) => {
      const { ask, stop } = await startAsked<Turn, Figures>(entry, name, [name, url]);
      return { name, run: ask, stop };
    }),
  );
}
