import type { Pool as Engine } from '../../pool/pool.js';
import { connectionOf } from '../connection.js';
import { VERSION } from '../sharing/registry.js';

/** The functions by which an adapter borrows the clients of an app's `Pool`. Their errors are those of the engine. */
export interface Lender<C extends object> {
  readonly engine: Engine<C>;
  acquire(): Promise<C>;
  /** @throws TenureUsageError when the pool has not lent the client, or it was released already */
  release(client: C): void;
}

/** The member of a `Pool` that has its lender. Registered, so that the ESM and the CommonJS copy of this package accept each other's pools. */
export const LENDER = Symbol.for(`@tenure/core ${VERSION} lender`);

/** The lender of this pool; `undefined` for an object that is not a `Pool` of this version. */
export function lenderOf<C extends object>(pool: object): Lender<C> | undefined {
  return (pool as { readonly [LENDER]?: Lender<C> })[LENDER];
}

/** @param pool the steps of a `Pool` when it lends a client, and when it gets one back */
export function lenderOver<C extends object>(
  engine: Engine<C>,
  pool: { handedOut(client: C): void; takeBack(client: C): void },
): Lender<C> {
  return {
    engine,
    async acquire() {
      const client = await engine.acquire();
      connectionOf(client).borrower.begin();
      pool.handedOut(client);
      return client;
    },
    release: (client) => pool.takeBack(client),
  };
}
