import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';

/** How far a server goes before it falls silent. */
export type Silence = 'accepted' | 'promised TLS' | 'asked for a password';

const REPLIES: Record<Silence, Buffer | undefined> = {
  accepted: undefined,
  'promised TLS': Buffer.from('S'),
  'asked for a password': Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]),
};

/** A server that becomes silent in the middle of a connect, with the sockets that are still open to it. */
export async function silentServer(silence: Silence) {
  const sockets = new Set<Socket>();
  const heard: Buffer[] = [];
  const reply = REPLIES[silence];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => heard.push(chunk));
    if (reply) socket.once('data', () => socket.write(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: '127.0.0.1', port, sockets, heard };
}
