import { describe, expect, it } from 'vitest';
import { type Asked, refusePublic, TokenCheck } from '../../../packages/inspector/src/access.js';

function asked(headers: Record<string, string> = {}, peer: string | undefined = '127.0.0.1', isHttp10 = false): Asked {
  const all: Record<string, string> = { host: 'localhost:3000', ...headers };
  return { header: (name) => all[name], headerNames: Object.keys(all), peer, isHttp10 };
}

describe('without a token', () => {
  it.each(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])('a request from %s is answered', (peer) => {
    expect(refusePublic(asked({}, peer))).toBeUndefined();
  });

  it.each(['localhost', 'app.localhost:80', '127.0.0.1:3000', '[::1]:3000', 'LOCALHOST:1'])(
    'a request to %s is answered',
    (host) => {
      expect(refusePublic(asked({ host }))).toBeUndefined();
    },
  );

  it.each([
    '192.168.0.2',
    '10.0.0.1',
    '::ffff:10.0.0.1',
    'fe80::1',
    '1127.0.0.1',
    '127.0.0.1.example.org',
    '',
    'localhost',
  ])('a request from "%s" is refused', (peer) => {
    expect(refusePublic(asked({}, peer))).toMatchObject({ status: 403 });
  });

  it('a request whose sender cannot be seen is refused', () => {
    const hidden = { ...asked(), peer: undefined };
    expect(refusePublic(hidden)).toMatchObject({ status: 403 });
  });

  it.each(['example.org', 'localhost.example.org', '127.0.0.1.nip.io', 'evil.com:127', '[::1', 'a b', ''])(
    'a request that names the host "%s" is refused: its page may be of another site',
    (host) => {
      expect(refusePublic(asked({ host }))).toMatchObject({ status: 403 });
    },
  );

  it.each([
    'forwarded',
    'Forwarded',
    'x-forwarded-for',
    'X-Forwarded-Proto',
    'x-forwarded-host',
    'x-forwarded-anything',
    'x-real-ip',
    'X-REAL-IP',
    'via',
    'true-client-ip',
    'cf-connecting-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'x-envoy-external-address',
    'fly-client-ip',
    'fastly-client-ip',
    'x-amzn-trace-id',
    'cdn-loop',
  ])('a request with the header %s came through a proxy, and is refused', (name) => {
    expect(refusePublic(asked({ [name]: '' }))).toMatchObject({ status: 403 });
  });

  it('a request in HTTP/1.0 is refused: that is what nginx speaks, which adds no header by default', () => {
    expect(refusePublic(asked({}, '127.0.0.1', true))).toMatchObject({ status: 403 });
  });
});

describe('a token', () => {
  const check = new TokenCheck('correct-horse');
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  it.each([
    'Bearer correct-horse',
    'bearer correct-horse',
    basic('any:correct-horse'),
    basic('correct-horse:'),
    basic(':correct-horse'),
  ])('is accepted as "%s"', (authorization) => {
    expect(check.refuse(asked({ authorization }, '203.0.113.7'))).toBeUndefined();
  });

  it.each([
    '',
    'Bearer',
    'Bearer ',
    'Bearer correct-hors',
    'Bearer correct-horse2',
    'Bearer Correct-horse',
    'Bearer correct-horse correct-horse',
    'correct-horse',
    'Digest correct-horse',
    basic('correct-horse'),
    basic('a:b'),
    basic('a:correct-horse:'),
    'Basic !!!',
  ])('is not found in "%s"', (authorization) => {
    expect(check.refuse(asked({ authorization }))).toMatchObject({ status: 401 });
  });
});
