import { expect, test } from 'vitest';
import type { Findings } from '../../src/database/findings.js';
import { isLoopback, refusals, refuseRemote } from '../../src/database/refusals.js';

const FOUND: Findings = {
  host: 'localhost:5432',
  database: 'shop',
  role: 'shop',
  version: '18.4',
  superuser: false,
  maxConnections: 100,
  free: 97,
  sessions: 0,
  mayCreateSchema: true,
  seesItself: true,
  pooler: false,
};
const NEEDS = { connections: 80, exhausts: true };

test('a server of one’s own, with room, is fine', () => {
  expect(refusals(FOUND, NEEDS)).toEqual([]);
});

test.each([
  [{ mayCreateSchema: false }, /may not create a schema in the database shop/],
  [{ seesItself: false }, /not shown its own sessions/],
  [{ free: 81 }, /room for 81 more connections; 82 are needed/],
  [{ pooler: true }, /pooler/],
  [{ sessions: 3 }, /3 other sessions.*--only stock,tenure/s],
])('%j is a reason not to', (found, reason) => {
  expect(refusals({ ...FOUND, ...found }, NEEDS)).toEqual([expect.stringMatching(reason)]);
});

test('others are not in the way of contenders that stay within a limit', () => {
  expect(refusals({ ...FOUND, sessions: 3 }, { ...NEEDS, exhausts: false })).toEqual([]);
});

test.each(['localhost', '127.0.0.1', '127.8.8.8', '::1', '[::1]', '/var/run/postgresql'])(
  '%s is this machine',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each(['127.evil.example', 'db.example', '10.0.0.1', '128.0.0.1', '0.0.0.0', 'localhost.example'])(
  '%s is not',
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);

test('another machine is refused unless it is allowed', () => {
  expect(() => refuseRemote('postgres://u:secret@db.example/shop', false)).toThrow(/db\.example.*--allow-remote/);
  expect(() => refuseRemote('postgres://u:secret@db.example/shop', true)).not.toThrow();
  expect(() => refuseRemote('postgres://u:secret@127.0.0.1/shop?host=db.example', false)).toThrow(/db\.example/);
});

test.each(['u:secret@db', '//u:secret@db', 'mysql://u:secret@127.0.0.1/db', 'postgres://u:secret@127.0.0.1:port/db'])(
  '%s is refused without being quoted',
  (url) => {
    const refuse = () => refuseRemote(url, false);
    expect(refuse).toThrow(/^DATABASE_URL is not a URL of the form \S+$/);
    expect(refuse).toThrow(expect.not.objectContaining({ cause: expect.anything() }));
  },
);
