import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

// Runs the scripts of docs/observability.md, in processes of their own: Sentry changes the process that it watches.

vi.setConfig({ testTimeout: 60_000 });

const postgres = await usePostgres();
const docs = await readFile(new URL('../../../docs/observability.md', import.meta.url), 'utf8');

/** The snippet of this name, as it is printed. */
function snippet(name: string): string {
  return docs.match(new RegExp(`<!-- ${name} -->\n\`\`\`js\n(.*?)\`\`\``, 's'))![1]!;
}

/** @returns what the script printed last, as JSON */
async function run(script: string) {
  const imports = `
    import { subscribe } from 'node:diagnostics_channel';
    import { Pool } from '@tenure/core/pg';
    const pool = new Pool({ connectionString: ${JSON.stringify(postgres.url)}, max: 1, connectionTimeoutMillis: 3_000, policy: { name: 'orders' } });
  `;
  const flags = ['--conditions=@tenure/source', '--import=tsx', '--input-type=module', '--eval', imports + script];
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd, timeout: 50_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

const TIME_OUT = `
  const client = await pool.connect();
  await client.query("select 'secret value'");
  await pool.query('select 1').catch(() => {});
  client.release();
  await pool.end();
`;

it('a pool timeout arrives at Sentry as an event with figures and holders', async () => {
  const events = await run(`
    import * as Sentry from '@sentry/node';
    const envelopes = [];
    const transport = () => ({
      send: async (envelope) => (envelopes.push(envelope), {}),
      flush: async () => true,
    });
    Sentry.init({ dsn: 'https://key@sentry.example/1', transport });
    ${snippet('sentry')}
    ${TIME_OUT}
    await Sentry.flush();
    const items = envelopes.flatMap(([, items]) => items);
    console.log(JSON.stringify(items.filter(([{ type }]) => type === 'event').map(([, event]) => event)));
  `);
  expect(events).toHaveLength(1);
  const [event] = events;
  expect(event.exception.values.at(-1)).toMatchObject({
    type: 'TenureTimeoutError',
    value: expect.stringContaining('1 used, 0 idle, 0 opening of at most 1; 1 waiting'),
  });
  expect(event.tags).toEqual({ poolName: 'orders', database: postgres.database });
  expect(event.contexts.pool).toMatchObject({ used: 1, idle: 0, waiting: 1, max: 1 });
  expect(event.extra.holders).toEqual([{ processId: expect.any(Number), heldMs: expect.any(Number), status: 'idle' }]);
  expect(JSON.stringify(event)).not.toContain('secret value');
});

it('pino writes a line for each connection that closes', async () => {
  const lines = await run(`
    import pino from 'pino';
    const lines = [];
    const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) });
    ${snippet('pino')}
    ${TIME_OUT}
    await new Promise((resolve) => setImmediate(resolve));
    console.log(JSON.stringify(lines.map((line) => JSON.parse(line))));
  `);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    msg: 'connection closed',
    poolName: 'orders',
    serverAddress: postgres.host,
    serverPort: postgres.port,
    database: postgres.database,
    reason: 'closing',
    uses: 1,
    processId: expect.any(Number),
    ageMs: expect.any(Number),
  });
  const context = [
    'poolName',
    'serverAddress',
    'serverPort',
    'database',
    'used',
    'idle',
    'opening',
    'busy',
    'waiting',
    'max',
  ];
  const close = ['processId', 'ageMs', 'uses', 'reason'];
  expect(Object.keys(lines[0]).sort()).toEqual(['level', 'msg', ...context, ...close].sort());
});

it('a test sees whether an action closes a connection', async () => {
  const results = await run(`
    import assert from 'node:assert/strict';
    async function closesNothing(action) {
      ${snippet('test')}
    }
    const fine = await closesNothing(() => pool.query('select 1')).catch((error) => error);
    const bad = await closesNothing(async () => (await pool.connect()).release(true)).catch((error) => error);
    await pool.end();
    console.log(JSON.stringify([fine?.code ?? 'closes nothing', bad?.code, bad?.actual]));
  `);
  expect(results).toEqual(['closes nothing', 'ERR_ASSERTION', ['discarded']]);
});
