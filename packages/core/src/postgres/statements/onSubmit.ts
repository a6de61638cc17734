import { type PgQuery, type PreparingClient, wrapMethod } from './pgInternals.js';

/** Sees a query at the last moment: after whatever tools have done to it, and before it is written to the socket. */
export interface SubmitListener {
  before(query: PgQuery): void;
  after?(): void;
}

/**
 * Listens to what a client sends. Not in its method `query`: what goes through there is still a text or a configuration, which tools that
 * patch the class may rewrite, and `pg` has not yet made of it what answers by callback, promise or time limit.
 */
export function onSubmit(client: PreparingClient, listener: SubmitListener): void {
  wrapMethod(client, '_pulseQueryQueue', (original) => () => {
    const next = client.readyForQuery === true ? client._queryQueue[0] : undefined;
    if (next === undefined) return original().call(client);
    listener.before(next);
    try {
      original().call(client);
    } finally {
      listener.after?.();
    }
  });
}
