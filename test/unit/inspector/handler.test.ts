import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pool as PgPool } from '../../../packages/core/src/pg.js';
import { type InspectorOptions, inspector } from '../../../packages/inspector/src/index.js';
import type { Update } from '../../../packages/inspector/src/protocol.js';
import { fakePool, take } from '../../support/fakePool.js';

const NAME = 'a-pool-of-secrets';
const TOKEN = 'correct-horse-battery';
let fake: ReturnType<typeof fakePool>;
const servers: Server[] = [];

beforeEach(async () => {
  fake = fakePool();
  await take(fake);
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const page = (options: InspectorOptions = {}) => inspector({ pools: { [NAME]: fake.pool }, ...options });

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (options?: InspectorOptions) => listen(page(options).node);
const updateOf = async (url: string) => (await (await fetch(url)).json()) as Update;
const asLocal = (url: string, init?: RequestInit) => new Request(`http://localhost${url}`, init);

describe('the page', () => {
  it('is one file under 150 KB, which asks for nothing else', async () => {
    const response = await fetch(await serve());
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(Buffer.byteLength(html)).toBeLessThan(150_000);
    const [head] = html.split('<style>');
    expect(head).not.toMatch(/src=|href="(?!data:)/);
    expect(html).not.toMatch(/@import|url\(|<script[^>]+src/);
    const urls = html.match(/https?:\/\/[^\s"'`)]+/g) ?? [];
    expect(urls.filter((url) => !url.startsWith('http://www.w3.org/'))).toEqual([]);
    expect(html).not.toContain(NAME);
  });

  it('has a policy by which only its own script and style run', async () => {
    const response = await fetch(await serve());
    const html = await response.text();
    const policy = response.headers.get('content-security-policy')!;
    const hashOf = (tag: string) => {
      const [, text] = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(html)!;
      return `sha256-${createHash('sha256').update(text!).digest('base64')}`;
    };
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src '${hashOf('script')}'`);
    expect(policy).toContain(`style-src '${hashOf('style')}'`);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(html).not.toMatch(/ style=| onclick=/);
  });

  it('replaces the security policy that a middleware has set', async () => {
    const { node } = page();
    const url = await listen((request, response) => {
      response.setHeader('Content-Security-Policy', "default-src 'self'");
      return node(request, response);
    });
    const policy = (await fetch(url)).headers.get('content-security-policy');
    expect(policy).toContain('sha256-');
    expect(policy).not.toContain("default-src 'self'");
  });
});

describe('the data', () => {
  it('has the pool, its figures and its policy, and then what is new', async () => {
    const url = await serve();
    const first = await updateOf(`${url}/any/path/?since=`);
    expect(first).toMatchObject({ isNew: true, pools: [{ name: NAME, figures: { used: 1 } }] });
    expect(first.pool!.policy!.maxConnections).toEqual({ value: 10, source: { from: 'default' } });
    expect(first.pool!.lanes).toMatchObject([{ id: 1, uses: 1 }]);
    const next = await updateOf(`${url}?since=${first.cursor}&pool=${first.pool!.id}`);
    expect(next.isNew).toBe(false);
    expect(next.pool).not.toHaveProperty('policy');
    expect(next.pool!.lanes).toEqual([]);
  });

  it.each(['x', '1.1', '0.0', '99999999999999999.1', '-1.5', '1.NaN', '[object Object]'])(
    'begins anew for the cursor "%s", which is of another process',
    async (cursor) => {
      const update = await updateOf(`${await serve()}?since=${encodeURIComponent(cursor)}`);
      expect(update.isNew).toBe(true);
    },
  );

  it('is read-only', async () => {
    const url = await serve();
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const response = await fetch(`${url}?since=`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('GET, HEAD');
    }
    const head = await fetch(`${url}?since=`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(await head.text()).toBe('');
  });

  it('has the same two faces', async () => {
    const web = await page().web(asLocal('/pool?since='), '127.0.0.1');
    const update = (await web.json()) as { pools: unknown };
    expect(update.pools).toMatchObject([{ name: NAME }]);
    const html = await page().web(asLocal('/pool'), '127.0.0.1');
    expect(html.headers.get('content-security-policy')).toContain('sha256-');
  });
});

describe('access', () => {
  async function expectRefused(response: Response, status: number): Promise<void> {
    const text = await response.text();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(text).not.toMatch(/used|idle|cursor|secrets|<|\{/);
    expect(text.length).toBeLessThan(200);
  }

  it.each(['', '?since='])('is refused through a proxy: %s', async (query) => {
    const url = await serve();
    await expectRefused(await fetch(`${url}${query}`, { headers: { 'x-forwarded-for': '127.0.0.1' } }), 403);
    await expectRefused(await fetch(`${url}${query}`, { headers: { forwarded: 'for=127.0.0.1' } }), 403);
  });

  it.each(['', '?since='])('is refused for HTTP/1.0: %s', async (query) => {
    const { port } = new URL(await serve());
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write(`GET /${query} HTTP/1.0\r\nHost: localhost\r\n\r\n`);
      });
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text)).on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(answer).not.toContain(NAME);
  });

  it('is refused by `web` without a token where the sender cannot be seen', async () => {
    await expectRefused(await page().web(asLocal('/?since=')), 403);
    await expectRefused(await page().web(asLocal('/?since='), { params: Promise.resolve({}) }), 403);
    await expectRefused(await page().web(asLocal('/?since='), '203.0.113.7'), 403);
    const server = { requestIP: () => ({ address: '127.0.0.1' }) };
    expect((await page().web(asLocal('/?since='), server)).status).toBe(200);
  });

  it('needs the token where there is one, also through a proxy', async () => {
    const url = await serve({ token: TOKEN });
    const headers = { 'x-forwarded-for': '203.0.113.7' };
    const refused = await fetch(`${url}?since=`, { headers });
    expect(refused.headers.get('www-authenticate')).toContain('Basic');
    await expectRefused(refused, 401);
    await expectRefused(await fetch(url), 401);
    await expectRefused(await fetch(url, { headers: { authorization: `Bearer ${TOKEN}x` } }), 401);
    await expectRefused(await fetch(`${url}?since=`, { method: 'POST' }), 401);
    const allowed = await fetch(`${url}?since=`, { headers: { ...headers, authorization: `Bearer ${TOKEN}` } });
    expect(allowed.status).toBe(200);
  });

  it.each<[string, InspectorOptions['authorize']]>([
    ['returns false', () => false],
    ['returns nothing', () => undefined],
    ['resolves to false', async () => false],
    [
      'throws',
      () => {
        throw new Error(NAME);
      },
    ],
    ['rejects', () => Promise.reject(new Error(NAME))],
  ])('is refused when `authorize` %s', async (_, authorize) => {
    const url = await serve({ authorize });
    await expectRefused(await fetch(url), 403);
    await expectRefused(await fetch(`${url}?since=`), 403);
    await expectRefused(await page({ authorize }).web(asLocal('/?since='), '127.0.0.1'), 403);
  });

  it('is given by `authorize`, which gets the request', async () => {
    const authorize = (request: IncomingMessage | Request) =>
      (request instanceof Request ? request.headers.get('cookie') : request.headers.cookie) === 'admin=1';
    const headers = { cookie: 'admin=1', 'x-forwarded-for': '203.0.113.7' };
    expect((await fetch(`${await serve({ authorize })}?since=`, { headers })).status).toBe(200);
    expect((await page({ authorize }).web(asLocal('/?since=', { headers }))).status).toBe(200);
  });

  it('needs both a token and `authorize` where both are given', async () => {
    const url = await serve({ token: TOKEN, authorize: ({ headers }) => 'cookie' in headers });
    const authorization = `Bearer ${TOKEN}`;
    await expectRefused(await fetch(url, { headers: { cookie: 'a=1' } }), 401);
    await expectRefused(await fetch(url, { headers: { authorization } }), 403);
    expect((await fetch(url, { headers: { authorization, cookie: 'a=1' } })).status).toBe(200);
  });
});

describe('the options', () => {
  it.each<[string, object, RegExp]>([
    ['an empty token', { token: '' }, /token: wants 8 or more/],
    ['a short token', { token: 'short' }, /token: wants 8 or more/],
    ['a token with a blank', { token: 'two words here' }, /token: wants/],
    ['a token that is no text', { token: 12345678 }, /token: wants/],
    ['a misspelt option', { authorise: () => true }, /no option authorise; the options are pools, token, authorize/],
    ['what is no function', { authorize: true }, /authorize = \(boolean\): wants a function/],
    ['a list of pools', { pools: [] }, /pools: wants an object/],
    ['what is no pool of Tenure', { pools: { main: { query() {} } } }, /pools\.main: wants a pool/],
  ])('refuse %s', (_, options, message) => {
    expect(() => inspector(options as InspectorOptions)).toThrow(message);
  });

  it('take a Pool of `pg`, and what stands for one, as `prisma.$pool` does', async () => {
    const pool = new PgPool({ max: 7 });
    const $pool = { current: pool, stats: () => pool.stats(), connections: () => pool.connections() };
    const url = await listen(inspector({ pools: { pool, prisma: $pool } }).node);
    const { pools } = await updateOf(`${url}?since=`);
    // The same pool is shown once.
    expect(pools).toMatchObject([{ name: 'pool', figures: { max: 7 } }]);
    await pool.end();
    expect((await updateOf(`${await listen(inspector({ pools: { pool } }).node)}?since=`)).pools).toEqual([]);
  });

  it('show no token in the error', () => {
    expect(() => inspector({ token: 'secret one' })).toThrow(expect.not.stringContaining('secret one'));
  });
});

describe('whatever the URL and the headers', () => {
  const anyHeaders = fc.dictionary(
    fc.constantFrom(
      'authorization',
      'host',
      'forwarded',
      'x-forwarded-for',
      'via',
      'cookie',
      'x-real-ip',
      'accept',
      'range',
    ),
    fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, '')),
  );
  const anyUrl = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc.webPath(),
    fc.string({ unit: 'binary' }),
    fc
      .tuple(fc.constantFrom('?since=', '/?since=', '/?pool=', '?since', '/%', '//?since='), fc.string())
      .map((parts) => parts.join('')),
  );
  const anyMethod = fc.constantFrom('GET', 'HEAD', 'POST', 'CONNECT', '', undefined);

  it('it answers, and nobody without the token gets a byte of the pools', async () => {
    const { node } = page({ token: TOKEN });
    await fc.assert(
      fc.asyncProperty(anyMethod, anyUrl, anyHeaders, async (method, url, headers) => {
        const { status, body } = await callNode(node, { method, url, headers });
        expect(status).toBe(401);
        expect(body).not.toContain(NAME);
      }),
      { numRuns: 500 },
    );
  });

  it('it answers who may see it', async () => {
    const { node, web } = page({ authorize: () => true });
    await fc.assert(
      fc.asyncProperty(anyMethod, anyUrl, anyHeaders, async (method, url, headers) => {
        const { status } = await callNode(node, { method, url, headers });
        expect(status).toBe(method === 'GET' || method === 'HEAD' ? 200 : 405);
        const response = await web({ method: method ?? '', url, headers: new Headers() } as Request);
        expect(response.status).toBe(status);
      }),
      { numRuns: 500 },
    );
  });
});

/** Calls the handler without a server, which would refuse much of it before. */
async function callNode(
  node: ReturnType<typeof inspector>['node'],
  request: object,
): Promise<{ status: number; body: string }> {
  const answer = { status: 0, body: '' };
  const response = {
    headersSent: false,
    writeHead: (status: number) => {
      answer.status = status;
    },
    end: (body = '') => {
      answer.body = body;
    },
  };
  const socket = { remoteAddress: '127.0.0.1' };
  await node({ httpVersion: '1.1', socket, ...request } as never, response as never);
  return answer;
}
