import { writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { page, type ReportContent } from './page.js';

/** Writes the report and returns its path. */
export async function writeReport(content: Omit<ReportContent, 'setting'>, file?: string): Promise<string> {
  const now = new Date();
  const path = resolve(
    file ?? join(tmpdir(), `tenure-replay-${now.toISOString().slice(0, 19).replaceAll(':', '-')}.html`),
  );
  const setting =
    `${now.toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' })}, PostgreSQL ${content.findings.version}, ` +
    `Node ${process.version}, ${process.platform}, ${availableParallelism()} cores shared by the server, the app and the load generator`;
  await writeFile(path, page({ ...content, setting }));
  return path;
}
