import { readFile } from 'node:fs';
import {
  type ClientConnector,
  type ConnectorHooks,
  clientConnector,
  connectionOf,
  type PgClient,
} from '@tenure/core/adapter';
import pg from 'pg';
import { afterEach } from 'vitest';

/** Long enough for anything that ends at all. */
export const soon = () => AbortSignal.timeout(10_000);

/** The connector of a host, for clients that a test has opened without it. */
export function connectorFor<C extends PgClient = PgClient>(
  hooks: Pick<ConnectorHooks<C>, 'setUp' | 'stream'> = {},
): ClientConnector<C> {
  const open = () => Promise.reject(new Error('The tests open their clients themselves'));
  return clientConnector<C>({ open, ...hooks });
}

/** Takes a client that a test has opened for one of a pool. */
export function watch(client: PgClient, onLost: (cause?: Error) => void, onReadOnly = () => {}): void {
  connectionOf(client).watch({ onLost, onReadOnly });
}

/** Connected clients of `pg`, opened without Tenure. Those that a test leaves open are closed after it. */
export function useClients(config: pg.ClientConfig) {
  const clients: pg.Client[] = [];
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.end())));
  return async (more: pg.ClientConfig = {}) => {
    const client = new pg.Client({ ...config, ...more });
    clients.push(client);
    await client.connect();
    return client;
  };
}

/** The client has read the end of its connection. */
export function ended(client: pg.Client): Promise<void> {
  return new Promise((resolve) => client.on('end', resolve));
}

/** The error that a promise must reject with. */
export function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => Promise.reject(new Error('It did not fail')),
    (error) => error,
  );
}

/** Phases of the event loop in which a callback may run. */
export const PHASES: [string, (run: () => void) => void][] = [
  ['timer', (run) => setTimeout(run, 1)],
  ['check', (run) => setImmediate(run)],
  ['poll', (run) => readFile(new URL(import.meta.url), () => run())],
];

/** Runs `act` in the given phase, without leaving it before `act` has begun. */
export function inPhase<T>(enter: (run: () => void) => void, act: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => enter(() => act().then(resolve, reject)));
}

/** Nothing else of this process runs meanwhile; the system goes on filling its sockets. */
export function blockLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** The same, until the server has ended the session: its goodbye waits in the socket then. */
export function blockLoopUntilGone(client: pg.Client): void {
  const { processID } = client as unknown as { processID: number };
  const until = performance.now() + 10_000;
  while (isRunning(processID) && performance.now() < until);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
