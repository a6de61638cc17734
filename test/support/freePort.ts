import { createServer } from 'node:net';

const [FIRST, COUNT] = [20_000, 10_000];

/**
 * A TCP port of 127.0.0.1 that was free a moment ago. Not one of those that the system gives out by itself: it could give that to someone else
 * while a server of ours restarts, or while a test relies on nobody listening there.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
