import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { type ExampleApp, type Examples, installExamples } from './exampleApps.js';
import { printed } from './printed.js';

// The apps of examples/, from the packed packages.

const postgres = await usePostgres({ maxConnections: 40 });
const FOLDERS = ['knex-fastify', 'prisma-hono', 'knex-prisma', 'mikro-orm', 'lambda', 'cluster', 'nextjs'];
let examples: Examples;

beforeAll(async () => {
  await postgres.admin('grant create on schema public to app');
  examples = await installExamples(FOLDERS, postgres.url);
});
afterAll(() => examples?.remove());

const json = async (response: Response) => ({ status: response.status, body: await response.json() });

/** Ends as a platform ends it; nothing may be left, and nothing may have been printed but what is expected. */
async function expectGoodEnd(app: ExampleApp, expected = ''): Promise<void> {
  expect(await app.end()).toBe(0);
  expect(app.warnings()).toMatch(new RegExp(`^${expected}$`));
  expect(await postgres.activity()).toEqual([]);
}

it('Knex and Fastify', async () => {
  await using app = await examples.start('knex-fastify', 'server.js');
  const item = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"item":"tea"}' };
  expect(await json(await fetch(`${app.url}/orders`, item))).toEqual({ status: 201, body: { id: 1, item: 'tea' } });
  expect(await json(await fetch(`${app.url}/orders`))).toEqual({ status: 200, body: [{ id: 1, item: 'tea' }] });
  expect((await json(await fetch(`${app.url}/health`))).body).toMatchObject({ used: 0, waiting: 0, max: 10 });
  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  expect(metrics).toMatch(/^db_client_connection_count\{.*db_client_connection_state="idle".*\} 1$/m);
  expect(await (await fetch(`${app.url}/pool`)).text()).toContain('<!doctype html>');
  await expectGoodEnd(app);
});

it('Knex and Prisma on one pool: both use the one connection', async () => {
  await examples.run('knex-prisma', 'prisma', ['generate']);
  await using app = await examples.start('knex-prisma', 'server.js');
  const invoice = { id: 1, number: 'A1' };
  const post = () => fetch(`${app.url}/invoices/A1`, { method: 'POST' });
  expect(await json(await post())).toEqual({ status: 201, body: invoice });
  expect((await post()).status).toBe(409);
  expect(await json(await fetch(`${app.url}/invoices`))).toEqual({ status: 200, body: [invoice] });
  expect((await json(await fetch(`${app.url}/health`))).body).toMatchObject({ opened: 1, idle: 1 });
  await expectGoodEnd(app);
});

it('Prisma and Hono: an address that is taken costs no connection', async () => {
  await examples.run('prisma-hono', 'prisma', ['generate']);
  await using app = await examples.start('prisma-hono', 'server.js');
  const subscribe = () => fetch(`${app.url}/subscribers/ada@example.org`, { method: 'POST' });
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await subscribe()).status);
  expect(statuses).toEqual([201, 409, 409, 409, 409]);
  expect((await json(await fetch(`${app.url}/subscribers`))).body).toEqual({ count: 1 });
  expect((await json(await fetch(`${app.url}/health`))).body).toMatchObject({ opened: 1 });
  await expectGoodEnd(app);
});

it('MikroORM, as the quick start prints it', async () => {
  const [snippet] = await printed('docs/quick-start.md', 'MikroORM', 'js');
  expect(await examples.read('mikro-orm/main.js')).toContain(snippet);
  expect(await examples.run('mikro-orm', process.execPath, ['main.js'])).toContain('1 book, 1 connection');
});

it('a handler that is frozen while its connection is killed', async () => {
  const printed = await examples.run('lambda', process.execPath, ['local.js']);
  expect(printed.split('\n')).toEqual([
    'before the freeze: 200',
    'frozen, and 1 connection killed',
    'after the thaw: 200',
    '',
  ]);
});

it('a cluster of eight stays within its budget', async () => {
  await using app = await examples.start('cluster', 'server.js');
  const held = async () => (await postgres.activity({ applicationName: 'cluster' })).length;
  const answers = Promise.all(Array.from({ length: 200 }, () => fetch(app.url)));
  let peak = 0;
  for (let isOver = false; !isOver; ) {
    isOver = await Promise.race([answers.then(() => true), sleep(20).then(() => false)]);
    peak = Math.max(peak, await held());
  }
  expect((await answers).every(({ ok }) => ok)).toBe(true);
  // One more for each worker that connects for the first time.
  expect(peak).toBeGreaterThan(8);
  expect(peak).toBeLessThanOrEqual(16 + 8);
  await expect.poll(held, { timeout: 10_000 }).toBeLessThanOrEqual(16);
  // A worker that finds all slots taken begins with a connection above the budget, and says so.
  await expectGoodEnd(app, '(?:.*TENURE_BUDGET_GUEST.*\\n.*--trace-warnings.*\\n)*');
});

it('Next.js holds one connection, however often its module is saved', { timeout: 300_000 }, async () => {
  const next = '../node_modules/next/dist/bin/next';
  await using app = await examples.start('nextjs', next, ['dev', '--port', '0'], { POOL_TOKEN: 'token-of-the-test' });
  const page = async () => (await fetch(app.url)).text();
  expect(await page()).toContain('PostgreSQL');
  for (let save = 1; save <= 5; save++) {
    await examples.append('nextjs/lib/db.js', `\nexport const save${save} = ${save};\n`);
    await expect.poll(page, { timeout: 30_000 }).toMatch(new RegExp(`pools (<!-- -->)?${save + 1}`));
  }
  const asked = { headers: { authorization: 'Bearer token-of-the-test' } };
  expect(await (await fetch(`${app.url}/pool`, asked)).text()).toContain('<!doctype html>');
  const { pools } = (await (await fetch(`${app.url}/pool?since=`, asked)).json()) as { pools: object[] };
  expect(pools).not.toEqual([]);
  expect((await fetch(`${app.url}/pool`)).status).toBe(401);
  // The one before it may still be on its way out.
  const held = async () => (await postgres.activity({ applicationName: 'next' })).length;
  await expect.poll(held, { timeout: 10_000 }).toBe(1);
  await app.end();
});
