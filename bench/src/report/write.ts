import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { resultsFolder } from '@tenure/replay/output/folders.js';
import { markdown } from './markdown.js';
import { page } from './page.js';
import type { Report, Setting } from './report.js';

const ROOT = new URL('../../', import.meta.url);

/**
 * Writes the files of a benchmark in the place of older ones, and returns the page's path.
 *
 * @param toDocs also writes NAME.md, which is committed: README.md and docs/performance.md quote it
 */
export async function write(name: string, report: Report, setting: Setting, toDocs: boolean): Promise<string> {
  const results = await resultsFolder(ROOT);
  for (const [ending, text] of filesOf(report, setting, toDocs)) {
    await writeFile(new URL(`${name}.${ending}`, results), text);
  }
  return fileURLToPath(new URL(`${name}.html`, results));
}

/** The files to write, by the ending of their names. */
export function filesOf(report: Report, setting: Setting, toDocs: boolean): Map<string, string> {
  const files = new Map([
    ['json', `${JSON.stringify({ setting, ...report }, null, 2)}\n`],
    ['html', page(report, setting)],
  ]);
  return toDocs ? files.set('md', `# ${report.title}\n\n${markdown(report, setting)}`) : files;
}
