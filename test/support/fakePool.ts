import { parsePolicy } from '../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../packages/core/src/policy/policy.js';
import type { PoolWarning } from '../../packages/core/src/pool/messages.js';
import { Pool } from '../../packages/core/src/pool/pool.js';
import { FakeConnector } from './fakeConnector.js';
import { FakeRuntime } from './fakeRuntime.js';

/** A real engine over a fake server in fake time. The random part of maximum ages is off unless a test sets it. */
export function fakePool(policy: PolicyOverrides = {}, prepare: (server: FakeConnector) => void = () => {}) {
  const runtime = new FakeRuntime();
  const server = new FakeConnector(runtime);
  prepare(server);
  const pool = new Pool(server, parsePolicy({}, { maxAgeJitter: 0, ...policy }), runtime);
  const warnings: PoolWarning[] = [];
  const closings: string[] = [];
  pool.on('warning', (warning) => warnings.push(warning));
  pool.on('closing', (_, reason) => closings.push(reason));
  return { pool, server, runtime, warnings, closings };
}

/** The outcome of a promise, without waiting for it. */
export function follow<T>(promise: Promise<T>): { value?: T; error?: unknown; readonly settled: boolean } {
  const followed: { value?: T; error?: unknown; settled: boolean } = { settled: false };
  promise.then(
    (value) => Object.assign(followed, { value, settled: true }),
    (error) => Object.assign(followed, { error, settled: true }),
  );
  return followed;
}

/** Acquires a connection that is available at once. */
export async function take(fake: ReturnType<typeof fakePool>) {
  const acquiring = fake.pool.acquire();
  await fake.runtime.settle();
  return acquiring;
}

/** Opens this many connections, and leaves them idle. */
export async function warm(fake: ReturnType<typeof fakePool>, count: number) {
  const connections = [];
  for (let i = 0; i < count; i++) connections.push(await take(fake));
  for (const connection of connections) fake.pool.release(connection);
  await fake.runtime.settle();
  return connections;
}
