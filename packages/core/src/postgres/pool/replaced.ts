import pg from 'pg';

/**
 * pg-pool's own methods; undefined where a tool had replaced one before this file was loaded. An app with nothing in the way of `query` takes
 * a shorter way to the engine.
 */
export const pristine = {
  connect: pristineOf('connect', '.newClient('),
  query: pristineOf('query', 'dispatching query'),
};

/** @param trait what no minifier changes in the method's text */
function pristineOf(name: 'connect' | 'query', trait: string): unknown {
  const method: unknown = pg.Pool.prototype[name];
  return Function.prototype.toString.call(method).includes(trait) ? method : undefined;
}

type Connect = (callback: (error: unknown, client: pg.PoolClient | undefined) => void) => unknown;

/**
 * Takes a client by a `connect` that the app has replaced, and calls it as pg-pool does, with a callback. One that only gives a promise does
 * for us, too.
 */
export function connectBy(connect: Connect): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    const lent = connect((error, client) => (error ? reject(error) : resolve(client!)));
    if (typeof (lent as PromiseLike<unknown> | undefined)?.then !== 'function') return;
    // With nothing in it where it has left the client to the callback.
    (lent as PromiseLike<pg.PoolClient | undefined>).then((client) => client && resolve(client), reject);
  });
}
