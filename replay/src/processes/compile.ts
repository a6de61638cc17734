import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/**
 * Makes one plain JavaScript file of a process and of Tenure's sources, as Tenure's users get them. Run from TypeScript by
 * tsx, each closure would be given its name when it is made, a toll that stock Knex, which is JavaScript already, does not pay.
 */
export async function compile(source: URL, target: URL): Promise<void> {
  const file = fileURLToPath(target);
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(source)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@tenure/source'],
    plugins: [packagesStayOutside],
    write: false,
    logLevel: 'silent',
  });
  await mkdir(dirname(file), { recursive: true });
  // Moved into place whole: another replay may be reading it.
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, outputFiles[0]!.contents);
  await rename(draft, file);
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
