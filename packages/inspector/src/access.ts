import { createHash, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** The parts of a request that decide access, for both kinds of handler. */
export interface Asked {
  header(name: string): string | undefined;
  readonly headerNames: Iterable<string>;
  /** The address at the other end of the socket; `undefined` if it is unknown. */
  readonly peer: string | undefined;
  /** Whether the request is HTTP/1.0, which no browser uses, but nginx does towards the server behind it. */
  readonly isHttp10: boolean;
}

/** A refusal: the status, and a text that says why and what to do. The text contains nothing about the pools. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly text: string;
}

/** Headers by which proxies and content networks pass on the sender's address. Those that begin with `x-forwarded` count as well. */
const OF_PROXIES = [
  'cdn-loop',
  'cf-connecting-ip',
  'cf-connecting-ipv6',
  'client-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'forwarded',
  'forwarded-for',
  'proxy-client-ip',
  'true-client-ip',
  'via',
  'wl-proxy-client-ip',
  'x-amzn-trace-id',
  'x-appengine-user-ip',
  'x-arr-clientip',
  'x-azure-clientip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-envoy-external-address',
  'x-original-forwarded-for',
  'x-original-host',
  'x-originating-ip',
  'x-proxyuser-ip',
  'x-real-ip',
  'x-real-port',
  'x-remote-addr',
  'x-remote-ip',
];

const HOW = 'Give inspector() a token, or authorize(request).';

/** Refuses a request without a token, unless it visibly comes from this machine. @returns `undefined` when it is allowed */
export function refusePublic({ header, headerNames, peer, isHttp10 }: Asked): Refusal | undefined {
  for (const name of headerNames) {
    const lower = name.toLowerCase();
    if (lower.startsWith('x-forwarded') || OF_PROXIES.includes(lower)) {
      return forbidden('This request came through a proxy, so that its sender is unknown.');
    }
  }
  if (isHttp10) return forbidden('This request is HTTP/1.0, which proxies speak and browsers do not.');
  if (peer === undefined) return forbidden('The address of the sender cannot be seen here.');
  if (!isLoopback(peer)) return forbidden('This page answers this machine only.');
  // Prevents DNS rebinding: a page of another site may let its own name point to this machine, and then send requests from the user's browser.
  if (!isLocalName(header('host') ?? header(':authority'))) {
    return forbidden('This request names another host than this machine.');
  }
  return undefined;
}

function forbidden(why: string): Refusal {
  return { status: 403, text: `${why} ${HOW}\n` };
}

export const NOT_AUTHORIZED: Refusal = { status: 403, text: 'Not authorized.\n' };

/** Compares the token of a request with the configured one. */
export class TokenCheck {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digest(token);
  }

  /** The token may come as `Bearer`, or as user name or password of `Basic`, for which a browser shows a dialog. */
  refuse({ header }: Asked): Refusal | undefined {
    const given = tokensIn(header('authorization') ?? '');
    // All candidates are compared, as digests of one length: otherwise the time of the answer would show a part of the token.
    const matches = given.filter((token) => timingSafeEqual(digest(token), this.#digest));
    return matches.length > 0 ? undefined : { status: 401, text: 'A token is needed.\n' };
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function tokensIn(authorization: string): string[] {
  const [, scheme = '', credentials = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return [credentials];
  if (scheme === '') return [];
  const text = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? [] : [text.slice(0, colon), text.slice(colon + 1)];
}

function isLoopback(address: string): boolean {
  const bare = address.toLowerCase().replace(/^::ffff:/, '');
  return bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

function isLocalName(host: string | undefined): boolean {
  const [, name] = /^(\[[0-9a-f:.]+\]|[^:]+)(?::\d{1,5})?$/i.exec(host ?? '') ?? [];
  if (name === undefined) return false;
  const lower = name.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return lower === 'localhost' || lower.endsWith('.localhost') || isLoopback(lower);
}
