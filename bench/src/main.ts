import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { signUpsTable } from '@tenure/replay/database/signUps.js';
import { generateClient } from '@tenure/replay/prisma/generate.js';
import { compile } from '@tenure/replay/processes/compile.js';
import { startPostgres } from '@tenure/test/support/postgres.js';
import pg from 'pg';

const BENCHES = { pool: poolBench, errors: errorsBench };
type Name = keyof typeof BENCHES;

const SOURCE = new URL('./measure.ts', import.meta.url);
const ENTRY = new URL('../dist/measure.js', import.meta.url);
const PRISMA_CLIENT = new URL('../dist/prismaClient.js', import.meta.url);

const names = Object.keys(BENCHES);
const chosen = process.argv.slice(2).filter((word) => word !== '--');
const unknown = chosen.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}; there are ${names.join(' and ')}.`);
  process.exit(2);
}
// Under tsx each closure would be given its name when it is made, a toll that stock pools, plain JavaScript, do not pay.
await compile(SOURCE, ENTRY);
for (const name of chosen.length > 0 ? chosen : names) await BENCHES[name as Name]();

function poolBench(): Promise<void> {
  return measure('pool');
}

/** The server is this process's, so that reading its log takes no time of the process that is measured. */
async function errorsBench(): Promise<void> {
  await generateClient(PRISMA_CLIENT, () => console.error('  generating the Prisma client, this once …'));
  await using server = await startPostgres({ settings: { log_min_messages: 'log' } });
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  await client.query(signUpsTable('public'));
  await client.end();
  await measure('errors', server.url);
}

async function measure(name: Name, ...more: string[]): Promise<void> {
  const command = ['--expose-gc', fileURLToPath(ENTRY), name, ...more];
  const child = spawn(process.execPath, command, { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) process.exitCode = 1;
}
