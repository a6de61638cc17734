import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resultsFolder } from '../output/folders.js';
import { page, type ReportContent } from './page.js';

/** Writes the report and returns its path. */
export async function writeReport(content: Omit<ReportContent, 'setting'>, file?: string): Promise<string> {
  const now = new Date();
  const path = file === undefined ? await newFile(now) : resolve(file);
  const setting =
    `${now.toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' })}, PostgreSQL ${content.findings.version}, ` +
    `Node ${process.version}, ${process.platform}, ${availableParallelism()} cores shared by the server, the app and the load generator`;
  await writeFile(path, page({ ...content, setting }));
  return path;
}

async function newFile(now: Date): Promise<string> {
  const name = `${now.toISOString().slice(0, 19).replaceAll(':', '-')}.html`;
  return fileURLToPath(new URL(name, await resultsFolder()));
}
