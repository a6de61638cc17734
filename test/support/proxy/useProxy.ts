import { onTestFinished } from 'vitest';
import { type FaultProxy, startProxy, type Upstream } from './proxy.js';

/** A proxy that closes when the test ends. */
export async function useProxy(upstream: Upstream): Promise<FaultProxy> {
  const proxy = await startProxy(upstream);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}
