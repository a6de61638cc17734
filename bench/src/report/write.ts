import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { resultsFolder } from '@tenure/replay/output/folders.js';
import { markdown } from './markdown.js';
import { page } from './page.js';
import type { Report, Setting } from './report.js';

const ROOT = new URL('../../', import.meta.url);
const DOCS = new URL('../../../docs/performance.md', import.meta.url);

/** Writes NAME.md, NAME.json and NAME.html among the results, in place of older ones. Returns the page's path. */
export async function write(name: string, report: Report, setting: Setting): Promise<string> {
  const results = await resultsFolder(ROOT);
  const file = (ending: string) => new URL(`${name}.${ending}`, results);
  await writeFile(file('md'), `# ${report.title}\n\n${markdown(report, setting)}`);
  await writeFile(file('json'), `${JSON.stringify({ setting, ...report }, null, 2)}\n`);
  await writeFile(file('html'), page(report, setting));
  return fileURLToPath(file('html'));
}

/** Renews the benchmark's section of docs/performance.md. */
export async function writeDocs(name: string, report: Report, setting: Setting): Promise<void> {
  const text = await readFile(DOCS, 'utf8');
  await writeFile(DOCS, withSection(text, name, markdown(report, setting)));
}

/** The text with what stands between the section's markers replaced. */
export function withSection(text: string, name: string, section: string): string {
  const [start, end] = [`<!-- bench:${name}:start -->`, `<!-- bench:${name}:end -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no section ${start} … ${end}.`);
  return `${text.slice(0, from + start.length)}\n\n${section}\n${text.slice(to)}`;
}
