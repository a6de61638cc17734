import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { wrapMethod } from '../../packages/core/src/postgres/patches.js';

const postgres = fileURLToPath(new URL('../../packages/core/src/postgres', import.meta.url));

/** The rows of the table in patches.ts, as `file: method`. */
function listed(): string[] {
  const rows = readFileSync(`${postgres}/patches.ts`, 'utf8').matchAll(
    /^ \* \| \w+ +\| `(?<method>\w+)` +\| (?<by>[^|]+?) +\|/gm,
  );
  return Array.from(
    rows,
    ({ groups }) => `${groups!.by!.endsWith('below') ? 'patches.ts' : groups!.by}: ${groups!.method}`,
  );
}

/** Every method that a file of the layer wraps. */
function wrapped(): string[] {
  return readdirSync(postgres, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => {
      const calls = readFileSync(`${postgres}/${file}`, 'utf8').matchAll(/\bwrapMethod\(\s*[^,]+,\s*'(?<method>\w+)'/g);
      return Array.from(calls, ({ groups }) => `${file.replaceAll('\\', '/')}: ${groups!.method}`);
    });
}

describe('The table of wrapped methods', () => {
  it('lists every method that is wrapped', () => {
    expect(wrapped().length).toBeGreaterThan(8);
    expect(listed()).toEqual(expect.arrayContaining(wrapped()));
  });

  it('lists no other, but for the two that are assigned', () => {
    const assigned = ['pool/pgPool.ts: release', 'takeOver.ts: connect'];
    expect(listed().filter((row) => !wrapped().includes(row) && !assigned.includes(row))).toEqual([]);
  });
});

describe('A wrapped method', () => {
  class Client {
    query(text: string): string {
      return text;
    }
  }

  it('calls the method of the class as it is at the time of the call, since tools replace it later', () => {
    const client = new Client();
    wrapMethod(client, 'query', (original) => (text) => `wrapped ${original().call(client, text)}`);
    expect(client.query('select 1')).toBe('wrapped select 1');
    const { query } = Client.prototype;
    Client.prototype.query = (text) => `traced ${text}`;
    expect(client.query('select 1')).toBe('wrapped traced select 1');
    Client.prototype.query = query;
  });

  it('does not show when the client is printed', () => {
    const client = new Client();
    wrapMethod(client, 'query', (original) => (text) => original().call(client, text));
    expect(Object.keys(client)).toEqual([]);
    expect(new Client()).not.toHaveProperty('query', client.query);
  });
});
