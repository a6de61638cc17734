import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Makes the inspector's page, since its sources may have changed after the packages were installed. */
export default async function makePage(): Promise<void> {
  await promisify(execFile)(process.execPath, [
    fileURLToPath(new URL('../../packages/inspector/page/build.js', import.meta.url)),
  ]);
}
