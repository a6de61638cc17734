import type { Outcome } from '../bench.js';
import { measure } from '../measured.js';
import { startServer } from '../server.js';

export async function runAgeing(quick: boolean): Promise<Outcome> {
  await using server = await startServer();
  return { report: await measure({ part: 'ageing', quick, url: server.url }), postgres: server.version };
}
