import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Asked, NOT_AUTHORIZED, type Refusal, refusePublic, TokenCheck } from './access.js';
import { checkOptions, type InspectorOptions, shownBy } from './options.js';
import { PAGE, SCRIPT_HASH, STYLE_HASH } from './page.generated.js';
import { Recorder } from './recorder.js';

export interface Inspector {
  /**
   * The handler for Express, Fastify, Koa and `node:http`. `next` is called for paths below the page's own, if the framework
   * shows them, as Express does.
   */
  node(request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): Promise<void>;
  /**
   * The handler for Hono, Next, Bun and others with `Request` and `Response`.
   *
   * @param peer the address of the sender, or Bun's server, which has it. Without it each request is refused, unless there is a
   * `token` or `authorize`
   */
  web(request: Request, peer?: unknown): Promise<Response>;
}

/** A response. */
interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const SECURITY_POLICY = [
  "default-src 'none'",
  `script-src '${SCRIPT_HASH}'`,
  `style-src '${STYLE_HASH}'`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ALWAYS = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/**
 * A page that shows the pools of this process at work. Mount `node` or `web` at any path; the page and its data use the same one.
 * It is read-only, and records nothing while no page is open.
 *
 * @throws TenureUsageError when an option is not allowed
 */
export function inspector(options: InspectorOptions = {}): Inspector {
  checkOptions(options);
  const { token, authorize } = options;
  const recorder = new Recorder(shownBy(options));
  const tokenCheck = token === undefined ? undefined : new TokenCheck(token);

  const refuse = async (asked: Asked, request: IncomingMessage | Request): Promise<Refusal | undefined> => {
    if (!tokenCheck && !authorize) return refusePublic(asked);
    const refusal = tokenCheck?.refuse(asked);
    if (refusal || !authorize) return refusal;
    const isAuthorized = await Promise.resolve(request)
      .then(authorize)
      .catch(() => false);
    return isAuthorized ? undefined : NOT_AUTHORIZED;
  };

  const answer = async (asked: Asked, request: IncomingMessage | Request): Promise<Answer> => {
    const refusal = await refuse(asked, request);
    if (refusal) return refused(refusal);
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'Only GET.\n', { allow: 'GET, HEAD' });
    const query = queryOf(request.url ?? '');
    const cursor = query.get('since');
    if (cursor === null) return page();
    const update = recorder.read(cursor, numberIn(query.get('pool')));
    return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(update) };
  };

  return {
    async node(request, response, next) {
      try {
        if (next && isBelow(request)) return next();
        send(request, response, await answer(askedOfNode(request), request));
      } catch (error) {
        if (next) return next(error);
        send(request, response, plain(500, 'The page failed.\n'));
        throw error;
      }
    },
    async web(request, peer) {
      const { status, headers, body } = await answer(askedOfWeb(request, peer), request);
      return new Response(request.method === 'HEAD' ? null : body, { status, headers: { ...ALWAYS, ...headers } });
    },
  };
}

function page(): Answer {
  const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': SECURITY_POLICY };
  return { status: 200, headers, body: PAGE };
}

function refused({ status, text }: Refusal): Answer {
  const challenge = { 'www-authenticate': 'Basic realm="Tenure", charset="UTF-8"' };
  return plain(status, text, status === 401 ? challenge : {});
}

function plain(status: number, body: string, headers: Answer['headers'] = {}): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body };
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.headersSent) return;
  // `writeHead` replaces headers of a middleware, such as a security policy that would block the page's script.
  response.writeHead(status, { ...ALWAYS, ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function askedOfNode({ headers, socket, httpVersion }: IncomingMessage): Asked {
  return {
    header: (name) => headers[name]?.toString(),
    headerNames: Object.keys(headers),
    peer: socket.remoteAddress,
    isHttp10: httpVersion === '1.0',
  };
}

function askedOfWeb(request: Request, peer: unknown): Asked {
  const { headers, url } = request;
  return {
    header: (name) => headers.get(name) ?? (name === 'host' ? new URL(url).host : undefined),
    headerNames: headers.keys(),
    peer: addressOf(peer, request),
    isHttp10: false,
  };
}

/** The part of Bun's server that is used here. */
interface BunServer {
  requestIP(request: Request): { readonly address: string } | null;
}

function addressOf(peer: unknown, request: Request): string | undefined {
  if (typeof peer === 'string') return peer;
  const server = peer as Partial<BunServer> | null | undefined;
  return typeof server?.requestIP === 'function' ? server.requestIP(request)?.address : undefined;
}

/** Whether Express has passed on a path below the mounted one. Other frameworks do not say where the page is mounted. */
function isBelow({ url, originalUrl }: IncomingMessage & { readonly originalUrl?: string }): boolean {
  return originalUrl !== undefined && originalUrl !== url && pathOf(url ?? '') !== '/';
}

function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0]!;
}

function queryOf(url: string): URLSearchParams {
  return new URLSearchParams(url.slice(pathOf(url).length).split('#', 1)[0]);
}

function numberIn(text: string | null): number | undefined {
  return text !== null && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
