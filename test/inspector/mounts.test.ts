import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve as serveHono } from '@hono/node-server';
import { createPool } from '@tenure/core';
import { type Inspector, type InspectorOptions, inspector } from '@tenure/inspector';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run, test } from '../package/packed.js';
import { printed } from '../package/printed.js';

// The lines that docs/inspector.md prints, each in the real framework.

const TOKEN = 'correct-horse-battery';
const closers: (() => unknown)[] = [];

beforeEach(() => {
  const pool = createPool({ connect: async () => ({}), close: async () => {} }, { name: 'mounted' });
  closers.push(() => pool.drain());
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

describe('the lines of the documentation mount the page in', () => {
  it('Express', async () => {
    const app = express();
    await mount('Express', app);
    await expectPage(await addressOf(app.listen(0, '127.0.0.1')));
  });

  it('Express, in a router below a prefix, and leave other paths to the app', async () => {
    const app = express();
    const router = express.Router();
    await mount('Express', router);
    app.use('/admin/v1', router).use((_, response) => void response.status(404).send('of the app'));
    const url = await addressOf(app.listen(0, '127.0.0.1'));
    await expectPage(url, '/admin/v1/pool');
    await expectPage(url, '/admin/v1/pool/');
    expect(await (await fetch(`${url}/admin/v1/pool/favicon.ico`)).text()).toBe('of the app');
    expect((await fetch(`${url}/pool`)).status).toBe(404);
  });

  it('Fastify', async () => {
    const app = fastify();
    closers.push(() => app.close());
    await mount('Fastify', app);
    await expectPage(await app.listen({ port: 0, host: '127.0.0.1' }));
  });

  it('Koa', async () => {
    const app = new Koa();
    await mount('Koa', app);
    const url = await addressOf(app.listen(0, '127.0.0.1'));
    await expectPage(url);
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });

  it('Hono, with a token', async () => {
    const app = new Hono();
    await mount('Hono', app, { token: TOKEN });
    expect((await app.request('/pool')).status).toBe(401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect(await (await app.request('/pool', { headers })).text()).toContain('<!doctype html>');
    const update = (await (await app.request('/pool?since=', { headers })).json()) as Data;
    expect(update.pools[0]!.name).toBe('mounted');
  });

  it('Hono on Node.js, for this machine', async () => {
    const app = new Hono();
    await mount('Hono', app, {}, 1);
    const server = serveHono({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
    await expectPage(await addressOf(server as ReturnType<typeof createServer>));
  });

  // Next itself is too heavy for this suite: its documented signature of a route handler, called as Next calls it.
  it('a route file of Next.js', async () => {
    const [code] = await printed('docs/inspector.md', 'Next.js', 'js');
    const exported = code!.replaceAll(/^export const (\w+) = /gm, 'route.$1 = ');
    const route: { GET?: (request: Request, context: object) => Promise<Response>; dynamic?: string } = {};
    new Function('page', 'route', exported)(inspector({ token: TOKEN }), route);
    const context = { params: Promise.resolve({}) };
    const ask = (query: string, headers: Record<string, string>) =>
      route.GET!(new Request(`https://example.org/pool${query}`, { headers }), context);
    expect((await ask('?since=', {})).status).toBe(401);
    const update = await (await ask('?since=', { authorization: `Bearer ${TOKEN}` })).json();
    expect((update as Data).pools[0]!.name).toBe('mounted');
    expect(route.dynamic).toBe('force-dynamic');
  });

  it('node:http', async () => {
    const [code] = await printed('docs/inspector.md', 'node:http', 'js');
    const server = new Function('createServer', 'page', `return ${code}`)(createServer, inspector());
    await expectPage(await addressOf(server.listen(0, '127.0.0.1')));
  });

  const noBun = whyNoBun();
  it.skipIf(noBun !== undefined)(`Bun${noBun ?? ''}`, async () => {
    const [code] = await printed('docs/inspector.md', 'Bun', 'js');
    const answers = JSON.parse(await run('bun', ['--conditions=@tenure/source', '--eval', bunScript(code!)]));
    expect(answers).toEqual({ page: [200, true], data: [200, true], proxied: 403 });
  });
});

function whyNoBun(): string | undefined {
  try {
    execFileSync('bun', ['--version'], { env: { ...process.env, PATH: `${test}/node_modules/.bin` }, stdio: 'ignore' });
    return undefined;
  } catch {
    return ": skipped, since the program of npm's `bun` package does not run here";
  }
}

function bunScript(code: string): string {
  return `
import { createPool } from '@tenure/core';
import { inspector } from '@tenure/inspector';
const page = inspector();
const pool = createPool({ connect: async () => ({}), close: async () => {} }, { name: 'mounted' });
const server = ${code}
const ask = async (query, headers) => {
  const response = await fetch('http://127.0.0.1:' + server.port + '/pool' + query, { headers });
  return { status: response.status, text: await response.text() };
};
const html = await ask('');
const data = await ask('?since=');
const proxied = await ask('?since=', { 'x-forwarded-for': '127.0.0.1' });
console.log(JSON.stringify({
  page: [html.status, html.text.startsWith('<!doctype html>')],
  data: [data.status, JSON.parse(data.text).pools[0].name === 'mounted'],
  proxied: proxied.status,
}));
process.exit(0);
`;
}

interface Data {
  readonly cursor: string;
  readonly pools: readonly { readonly id: number; readonly name: string }[];
}

/** Runs the lines under this heading of the documentation. */
async function mount(heading: string, app: object, options: InspectorOptions = {}, index = 0): Promise<void> {
  const code = (await printed('docs/inspector.md', heading, 'js'))[index]!;
  const page: Inspector = inspector(options);
  new Function('app', 'page', code)(app, page);
}

async function addressOf(server: ReturnType<typeof createServer>): Promise<string> {
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Requests what a browser requests: the page, its data from the same path, then what is new. */
async function expectPage(url: string, path = '/pool'): Promise<void> {
  const page = await fetch(`${url}${path}`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(await page.text()).toContain('<title>Tenure: connection pools</title>');
  const first = (await (await fetch(`${url}${path}?since=`)).json()) as Data;
  const pool = first.pools.find(({ name }) => name === 'mounted')!;
  expect(pool).toBeDefined();
  const next = await (await fetch(`${url}${path}?since=${first.cursor}&pool=${pool.id}`)).json();
  expect(next).toMatchObject({ isNew: pool.id !== first.pools[0]!.id, pool: { id: pool.id } });
  const proxied = await fetch(`${url}${path}?since=`, { headers: { 'x-forwarded-for': '127.0.0.1' } });
  expect(proxied.status).toBe(403);
}
