import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type OutputFile, type Plugin } from 'esbuild';

export interface CompileOptions {
  /** A comment to begin the file with. */
  firstLine?: string;
  /** Lines to leave out, by the end of their file's path: the same program without them. */
  without?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Makes plain JavaScript of a process and of Tenure's sources, as Tenure's users get them. Run from TypeScript by tsx, each
 * closure would be given its name when it is made, a toll that what is JavaScript already, such as stock Knex, does not pay.
 * What is imported on demand is a file of its own beside the target.
 */
export async function compile(
  source: URL,
  target: URL,
  { firstLine = '', without = {} }: CompileOptions = {},
): Promise<void> {
  const entry = fileURLToPath(target);
  const { outputFiles } = await build({
    entryPoints: [{ in: fileURLToPath(source), out: stem(entry) }],
    outdir: dirname(entry),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner: { js: firstLine },
    conditions: ['@tenure/source'],
    plugins: [packagesStayOutside, leavesOut(without)],
    write: false,
    logLevel: 'silent',
  });
  await mkdir(dirname(entry), { recursive: true });
  // The entry last, once all that it imports is there.
  const isEntry = ({ path }: OutputFile) => path === entry;
  for (const file of outputFiles.sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) await moveIntoPlace(file);
}

function stem(path: string): string {
  return path.slice(dirname(path).length + 1, -'.js'.length);
}

/** Whole: another run may be reading it. */
async function moveIntoPlace({ path, contents }: OutputFile): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

/** @throws Error when a line is not there: what is measured would not be what it is called */
function leavesOut(without: NonNullable<CompileOptions['without']>): Plugin {
  return {
    name: 'leaves-out',
    setup({ onLoad }) {
      for (const [file, lines] of Object.entries(without)) {
        onLoad({ filter: new RegExp(`/${file.replaceAll('.', '\\.')}$`) }, async ({ path }) => {
          let contents = await readFile(path, 'utf8');
          for (const line of lines) {
            if (!contents.includes(`${line}\n`)) throw new Error(`${file} has no line "${line}" any more.`);
            contents = contents.replace(`${line}\n`, '\n');
          }
          return { contents, loader: 'ts' };
        });
      }
    },
  };
}

/** All but Tenure's own: what is installed runs as it is. */
const packagesStayOutside: Plugin = {
  name: 'packages-stay-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point' || path.startsWith('@tenure/')) return undefined;
      return { path, external: true };
    });
  },
};
