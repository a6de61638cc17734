import { randomUUID } from 'node:crypto';
import { type PgClient, queryClassOf } from '../pgTypes.js';
import { settle } from '../reset.js';
import { unlessAborted } from '../session.js';
import type { PipeliningClient, QueuedQuery } from './pipeliningClient.js';

const QUERIES = 4;
const PROOF = '/* tenure: are answers in order? */ select $1::text as tag, pg_backend_pid()::text as pid';

/**
 * The result of a test with several queries in flight.
 *
 * - `direct`: they were answered in their order, by the session that the client has opened.
 * - `indirect`: they were answered by another session, as behind a pooler, or refused.
 * - `disordered`: some answers did not come, or not in their order.
 */
export type Proof = 'direct' | 'indirect' | 'disordered';

/**
 * Proves, before a connection may be shared, that several queries in flight are answered in their order: some poolers drop such
 * answers. Costs one round trip. The client must be idle, without another user. Rejects when no answer came: the client cannot be
 * used then.
 */
export async function proveOrder(client: PipeliningClient & PgClient, signal: AbortSignal): Promise<Proof> {
  const Query = queryClassOf(client)!;
  const tags = Array.from({ length: QUERIES }, () => randomUUID());
  const answered: { readonly tag?: unknown; readonly pid?: unknown }[] = [];
  let hasFailed = false;
  client.pipeline = true;
  try {
    const answers = tags.map(
      (tag) =>
        new Promise<void>((resolve) => {
          // Read as text: the app may have changed how `pg` reads a type.
          const config = { text: PROOF, types: { getTypeParser: () => String } };
          const query = new Query(config, [tag], (error, result) => {
            hasFailed ||= Boolean(error);
            answered.push(result?.rows[0] ?? {});
            resolve();
          });
          client._queryQueue.push(query as QueuedQuery);
        }),
    );
    client._pulsePipelinedQueryQueue();
    await unlessAborted(Promise.all(answers), signal);
  } catch (error) {
    if (answered.length > 0) return 'disordered';
    throw error;
  } finally {
    client.pipeline = false;
  }
  // A FATAL error is followed by the end of the connection, which makes this reject.
  if (hasFailed) await settle(client, signal);
  if (hasFailed) return 'indirect';
  if (answered.some(({ tag }, n) => tag !== tags[n])) return 'disordered';
  return answered.every(({ pid }) => Number(pid) === client.processID) ? 'direct' : 'indirect';
}
