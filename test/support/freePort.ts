import { createServer } from 'node:net';
import { CannotStartError, describeCause } from './cannotStart.js';

const [FIRST, COUNT] = [20_000, 10_000];
const ATTEMPTS = 200;

/**
 * A TCP port of 127.0.0.1 that was free a moment ago. Ports that the system assigns by itself are left out: it could assign one
 * to another program while a server of ours restarts, or while a test needs the port to be closed.
 *
 * @throws CannotStartError when none is found
 */
export async function freePort(): Promise<number> {
  let problem: NodeJS.ErrnoException | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    problem = await tryPort(port);
    if (!problem) return port;
  }
  throw new CannotStartError('No server can listen on 127.0.0.1', why(problem!));
}

function why({ code, message }: NodeJS.ErrnoException): string {
  if (code !== 'EADDRINUSE') return describeCause(message);
  return `none of ${ATTEMPTS} ports between ${FIRST} and ${FIRST + COUNT} is free. Stop what listens there.`;
}

/** Resolves to the error that stops a server from listening there. */
function tryPort(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}
