import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A TCP server without PostgreSQL, which counts connections. It closes when the test ends. */
export async function listenAndCount(serve: (socket: Socket) => void, { host = '127.0.0.1', port = 0 } = {}) {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    host,
    port: (server.address() as AddressInfo).port,
    /** Connections accepted so far. */
    accepted: () => accepted,
    /** Connections that are open. */
    connected: () => sockets.size,
  };
}

/** Resets each connection, which looks like a missing server to the client. */
export const reset = (socket: Socket): void => void socket.resetAndDestroy();

/** Accepts a connection and sends nothing, like a server behind a broken network. */
export const staySilent = (socket: Socket): void => void socket.resume();
