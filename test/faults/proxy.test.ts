import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { listenAndCount } from '../support/countingListener.js';
import { useProxy } from '../support/proxy/useProxy.js';

/** Long enough for a byte to go round on loopback. */
const WHILE_MS = 100;

/** A server that sends its name, and then all data that it receives. */
const echoServer = (name = 'server') =>
  listenAndCount((socket) => {
    socket.write(`${name}:`);
    socket.pipe(socket);
  });

/** A client, with the data that it received and how its connection ended. */
function clientOf({ host, port }: { host: string; port: number }) {
  const socket: Socket = connect({ host, port });
  const client = { socket, heard: '', end: undefined as 'end' | 'reset' | 'refused' | undefined };
  const ends: Record<string, 'reset' | 'refused'> = { ECONNRESET: 'reset', ECONNREFUSED: 'refused' };
  socket.on('data', (chunk) => {
    client.heard += chunk;
  });
  socket.on('end', () => {
    client.end ??= 'end';
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.end ??= ends[error.code ?? ''];
  });
  onTestFinished(() => void socket.destroy());
  return client;
}

async function started() {
  const server = await echoServer();
  const proxy = await useProxy(server);
  return { server, proxy };
}

/** A client whose data has reached the server. */
async function spoken(proxy: { host: string; port: number }, word = 'a') {
  const client = clientOf(proxy);
  client.socket.write(word);
  await expect.poll(() => client.heard).toBe(`server:${word}`);
  return client;
}

it('carries bytes both ways, and tells each side of the end of the other', async () => {
  const { server, proxy } = await started();
  const client = await spoken(proxy);
  expect(proxy).toMatchObject({ open: 1, mostOpen: 1 });
  expect(proxy.connects).toHaveLength(1);
  client.socket.end();
  await expect.poll(() => client.end).toBe('end');
  await expect.poll(server.connected).toBe(0);
  await expect.poll(() => proxy.open).toBe(0);
});

it('freezes what is open: bytes and ends are swallowed both ways, and new ones pass', async () => {
  const { server, proxy } = await started();
  const [frozen, left] = [await spoken(proxy), await spoken(proxy)];
  proxy.freeze();
  frozen.socket.write('b');
  left.socket.destroy();
  const fresh = await spoken(proxy, 'c');
  await sleep(WHILE_MS);
  expect(frozen).toMatchObject({ heard: 'server:a', end: undefined });
  expect(fresh.end).toBeUndefined();
  expect(server.connected()).toBe(3);
  expect(proxy.open).toBe(1);
});

it('does not tell a frozen client that its server has gone', async () => {
  const sockets: Socket[] = [];
  const server = await listenAndCount((socket) => void sockets.push(socket.resume()));
  const proxy = await useProxy(server);
  const clients = [clientOf(proxy), clientOf(proxy)];
  await expect.poll(server.connected).toBe(2);
  proxy.freeze();
  sockets[0]!.end();
  sockets[1]!.resetAndDestroy();
  await sleep(WHILE_MS);
  expect(clients.map(({ end }) => end)).toEqual([undefined, undefined]);
});

it('resets frozen and silent connections in the end', async () => {
  const { server, proxy } = await started();
  const frozen = await spoken(proxy);
  proxy.freeze();
  proxy.arrivals = 'silent';
  const silent = clientOf(proxy);
  await once(silent.socket, 'connect');
  await expect.poll(() => proxy.connects.length).toBe(2);
  proxy.sever();
  await expect.poll(() => [frozen.end, silent.end]).toEqual(['reset', 'reset']);
  await expect.poll(server.connected).toBe(0);
});

it('lets those who come reach the server, reach nobody, or be reset, and counts them all', async () => {
  const { server, proxy } = await started();
  proxy.arrivals = 'silent';
  const silent = clientOf(proxy);
  await once(silent.socket, 'connect');
  silent.socket.write('a');
  await expect.poll(() => proxy.connects.length).toBe(1);
  proxy.arrivals = 'reset';
  const refused = clientOf(proxy);
  await expect.poll(() => refused.end).toBe('reset');
  await sleep(WHILE_MS);
  expect(silent).toMatchObject({ heard: '', end: undefined });
  expect(server.accepted()).toBe(0);
  proxy.heal();
  await spoken(proxy);
  expect(proxy.connects).toHaveLength(3);
});

it('can stop listening, and come back on the same port, while what is open stays open', async () => {
  const { proxy } = await started();
  const old = await spoken(proxy);
  proxy.stopListening();
  const refused = clientOf(proxy);
  await expect.poll(() => refused.end).toBe('refused');
  old.socket.write('b');
  await expect.poll(() => old.heard).toBe('server:ab');
  await proxy.listen();
  await spoken(proxy);
});

it('delays connects, and every chunk', async () => {
  const { server, proxy } = await started();
  proxy.connectDelayMs = 200;
  const began = performance.now();
  const client = clientOf(proxy);
  await once(client.socket, 'connect');
  expect(server.accepted()).toBe(0);
  await expect.poll(() => client.heard).toBe('server:');
  expect(performance.now() - began).toBeGreaterThan(195);
  proxy.latencyMs = 100;
  const asked = performance.now();
  client.socket.write('a');
  await expect.poll(() => client.heard).toBe('server:a');
  expect(performance.now() - asked).toBeGreaterThan(195);
});

it('throttles', async () => {
  const { proxy } = await started();
  const client = await spoken(proxy);
  proxy.bytesPerSecond = 10_000;
  const asked = performance.now();
  client.socket.write('b'.repeat(1_000));
  await expect.poll(() => client.heard.length).toBe('server:a'.length + 1_000);
  expect(performance.now() - asked).toBeGreaterThan(190);
});

it('cuts after so many bytes of the server', async () => {
  const { server, proxy } = await started();
  const client = await spoken(proxy);
  proxy.cutAfter(3);
  client.socket.write('bcdef');
  await expect.poll(() => client.end).toBe('end');
  expect(client.heard).toBe('server:abcd');
  await expect.poll(server.connected).toBe(0);
});

it('leads newcomers to another server', async () => {
  const { proxy } = await started();
  const old = await spoken(proxy);
  proxy.retarget(await echoServer('other'));
  const fresh = clientOf(proxy);
  fresh.socket.write('a');
  await expect.poll(() => fresh.heard).toBe('other:a');
  old.socket.write('b');
  await expect.poll(() => old.heard).toBe('server:ab');
});
