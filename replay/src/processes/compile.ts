import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type OutputFile, type Plugin } from 'esbuild';

export interface CompileOptions {
  /** A comment at the beginning of the file. */
  firstLine?: string;
  /** Lines to leave out, by the end of their file's path: the same program without them. */
  without?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Compiles a process and Tenure's sources to plain JavaScript, which is what Tenure's users get. With tsx each closure would be
 * named when it is made, which costs time that compiled code, such as stock Knex, does not need. Code that is imported on demand
 * becomes a file of its own beside the target.
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
  // The entry is written last, when all that it imports exists.
  const isEntry = ({ path }: OutputFile) => path === entry;
  for (const file of outputFiles.sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) await moveIntoPlace(file);
}

function stem(path: string): string {
  return path.slice(dirname(path).length + 1, -'.js'.length);
}

/** Moves a file in one step, since another run may be reading it. */
async function moveIntoPlace({ path, contents }: OutputFile): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, contents);
  await rename(draft, path);
}

/** @throws Error when a line is missing: the measured program would then not be the one that is named */
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

/** Leaves all packages but Tenure's outside the bundle, so that they run as installed. */
const packagesStayOutside: Plugin = {
  name: 'packages-stay-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, kind }) => {
      if (kind === 'entry-point' || path.startsWith('@tenure/')) return undefined;
      return { path, external: true };
    });
  },
};
