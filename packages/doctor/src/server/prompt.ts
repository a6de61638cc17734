import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Asks for a password as `psql` does: on the terminal, without showing it. Null without a terminal, and for no answer. */
export function askPassword(user: string): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return Promise.resolve(null);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  // The terminal hides what is typed from here on, so the question comes now.
  process.stderr.write(`Password for user ${user}: `);
  return new Promise((resolve) => {
    let answer: string | null = null;
    lines.once('line', (line) => {
      // No server takes an empty password.
      answer = line || null;
      lines.close();
    });
    // Ctrl-C and Ctrl-D close it too.
    lines.once('close', () => {
      process.stderr.write('\n');
      resolve(answer);
    });
  });
}
