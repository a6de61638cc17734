import type { Holder, Pool } from '@tenure/core';
import type { Connection, Dialect, DialectClass } from './dialect.js';

/** A place in the app's code; V8 formats its text only when it is read. */
type Place = { readonly stack?: string };

/** A stack that Knex keeps with `asyncStackTraces`, and how many of its lines are Knex's own. */
interface AsyncStack {
  readonly _asyncStack?: { lines: number };
}

const byPool = new WeakMap<object, Origins>();

/** Frames between the app and this code: Knex's, and those of the promises that Knex makes. */
const NOT_THE_APP = /[\\/]node_modules[\\/]knex[\\/]|\(<anonymous>\)$/;

/**
 * The place in the app where the work of each connection began. Kept only when `leakAfterMs` is set.
 *
 * Knex acquires its connections in a later job, where the call stack has only Knex's frames. The app's frames are on the stack
 * when the app calls for a query, a schema change or a transaction.
 */
export class Origins {
  readonly #byBackend = new Map<number | null | undefined, Place>();

  /** Keeps the origins of this pool's work, if its policy needs stacks. */
  static keepFor(pool: Pool<Connection>): Origins | undefined {
    if (pool.policy.leakAfterMs === Number.POSITIVE_INFINITY) return undefined;
    const origins = new Origins();
    byPool.set(pool, origins);
    pool.on('closed', (connection) => origins.forget(connection));
    return origins;
  }

  static of({ pool }: Dialect): Origins | undefined {
    return pool && byPool.get(pool.engine);
  }

  note({ processID }: Connection, place: Place): void {
    this.#byBackend.set(processID, place);
  }

  forget({ processID }: Connection): void {
    this.#byBackend.delete(processID);
  }

  /** The pool's message, with the app's frames in the place of Knex's. */
  explain(message: string, holders: readonly Holder[] = []): string {
    let explained = '';
    let rest = message;
    for (const { processId, stack } of holders) {
      const place = this.#byBackend.get(processId);
      const at = stack === undefined ? -1 : rest.indexOf(stack);
      if (place === undefined || stack === undefined || at < 0) continue;
      explained += rest.slice(0, at) + appFrames(place);
      rest = rest.slice(at + stack.length);
    }
    return explained + rest;
  }
}

/** Knex's client, which notes the caller of each query. Costs one look-up while origins are not kept. */
export function withOrigins(Base: DialectClass): DialectClass {
  const places = new WeakMap<object, Place>();

  function placed<B extends object>(client: Dialect, method: 'queryBuilder' | 'schemaBuilder' | 'raw', builder: B): B {
    const { _asyncStack: stack } = builder as AsyncStack;
    // One more line to skip: otherwise the stack that Knex gives to errors would begin with the method below.
    if (stack) stack.lines++;
    if (Origins.of(client)) places.set(builder, callerOf(client[method]));
    return builder;
  }

  return class extends Base {
    override queryBuilder() {
      return placed(this, 'queryBuilder', super.queryBuilder());
    }

    override schemaBuilder() {
      return placed(this, 'schemaBuilder', super.schemaBuilder());
    }

    override raw(...args: unknown[]) {
      return placed(this, 'raw', super.raw(...args));
    }

    override runner(builder: object) {
      return super.runner.call(onBehalfOf(this, places.get(builder)), builder);
    }

    override transaction(...args: Parameters<Dialect['transaction']>) {
      const place = Origins.of(this) && callerOf(this.transaction);
      return super.transaction.apply(onBehalfOf(this, place), args);
    }
  };
}

/** The same client, which notes the place for which it acquires a connection. */
function onBehalfOf(client: Dialect, place: Place | undefined): Dialect {
  if (place === undefined) return client;
  const acquireConnection = async () => {
    const connection = await client.acquireConnection();
    Origins.of(client)?.note(connection, place);
    return connection;
  };
  return Object.create(client, { acquireConnection: { value: acquireConnection } });
}

function callerOf(method: (...args: never[]) => unknown): Place {
  const place: Place = {};
  Error.captureStackTrace(place, method);
  return place;
}

function appFrames({ stack = '' }: Place): string {
  const [, ...frames] = stack.split('\n');
  const first = frames.findIndex((frame) => !NOT_THE_APP.test(frame));
  return frames.slice(Math.max(first, 0)).join('\n');
}
