import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Asks for a password as `psql` does: on the terminal, without showing it. Null where there is no terminal. */
export function askPassword(user: string): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return Promise.resolve(null);
  process.stderr.write(`Password for user ${user}: `);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve) => {
    const answer = (text: string | null) => {
      lines.close();
      process.stderr.write('\n');
      resolve(text);
    };
    lines.once('line', answer);
    lines.once('SIGINT', () => answer(null));
    lines.once('close', () => resolve(null));
  });
}
