import type { Outcome } from '../bench.js';
import { measure } from '../measured.js';
import { startServer } from '../server.js';

export async function runInspector(quick: boolean): Promise<Outcome> {
  await using server = await startServer();
  const report = await measure({ part: 'inspector', quick, url: server.url }, ['--expose-gc']);
  return { report, postgres: server.version };
}
