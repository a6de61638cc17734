import { type AddressInfo, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A TCP server that speaks no PostgreSQL, and counts who comes. Goes when the test ends. */
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
    /** How many have come. */
    accepted: () => accepted,
    /** How many are here. */
    connected: () => sockets.size,
  };
}

/** As if no server were there, but counted. */
export const reset = (socket: Socket): void => void socket.resetAndDestroy();

/** As a server behind a broken network: it takes the connection and says nothing. */
export const staySilent = (socket: Socket): void => void socket.resume();
