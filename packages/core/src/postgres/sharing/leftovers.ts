import type { EventEmitter } from 'node:events';
import type { PgClient } from '../pgTypes.js';
import { roundTrip } from '../roundTrip.js';

type Listener = (...args: unknown[]) => void;
type Parsers = Record<string, unknown>;

/** What a client has on it that is no borrower's. */
interface Own {
  readonly listeners: Set<unknown>;
  readonly parsers: ReadonlyMap<string, Parsers>;
}

/** The parts of a client that a borrower may have changed; internal to `pg`, and optional therefore. */
interface Changeable extends EventEmitter {
  readonly _types?: { readonly text?: Parsers; readonly binary?: Parsers };
  readonly connection?: { readonly parsedStatements?: Record<string, unknown> };
}

const owned = new WeakMap<PgClient, Own>();

/** What is on this client now belongs to it. To be called before the app has touched it. */
export function rememberAsNew(client: PgClient): void {
  const parsers = Object.entries(parsersOf(client)).map(([format, known]): [string, Parsers] => [format, { ...known }]);
  owned.set(client, {
    listeners: new Set(listenersOf(client).map(([, listener]) => listener)),
    parsers: new Map(parsers),
  });
}

/** Makes what a function of ours adds to a client's listeners the client's own. */
export function adding<C extends PgClient, A extends unknown[]>(attach: (client: C, ...args: A) => void) {
  return (client: C, ...args: A): void => {
    if (!owned.has(client)) rememberAsNew(client);
    const before = listenersOf(client).map(([, listener]) => listener);
    attach(client, ...args);
    for (const [, listener] of listenersOf(client)) {
      if (!before.includes(listener)) owned.get(client)?.listeners.add(listener);
    }
  };
}

/**
 * Takes off a client, and off its session, what a `session` reset leaves: listeners, type parsers, and statements that were prepared under
 * a name, which may mean another statement to the next owner.
 */
export async function removeLeftovers(client: PgClient, signal: AbortSignal): Promise<void> {
  restore(client);
  await roundTrip(client, 'DEALLOCATE ALL', signal);
  const prepared = (client as unknown as Changeable).connection?.parsedStatements ?? {};
  for (const name of Object.keys(prepared)) delete prepared[name];
}

function restore(client: PgClient): void {
  const own = owned.get(client);
  if (own === undefined) return;
  for (const [event, listener] of listenersOf(client)) {
    if (!own.listeners.has(listener)) (client as unknown as EventEmitter).removeListener(event, listener);
  }
  for (const [format, parsers] of Object.entries(parsersOf(client))) {
    for (const oid of Object.keys(parsers)) delete parsers[oid];
    Object.assign(parsers, own.parsers.get(format));
  }
}

function listenersOf(client: PgClient): [string | symbol, Listener][] {
  const emitter = client as unknown as EventEmitter;
  return emitter.eventNames().flatMap((event) => {
    return emitter.rawListeners(event).map((listener): [string | symbol, Listener] => [event, listener as Listener]);
  });
}

function parsersOf(client: PgClient): Record<string, Parsers> {
  const { text, binary } = (client as unknown as Changeable)._types ?? {};
  return { ...(text && { text }), ...(binary && { binary }) };
}
