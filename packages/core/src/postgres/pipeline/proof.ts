import { randomUUID } from 'node:crypto';
import type { PgClient } from '../pgTypes.js';
import { queryClassOf } from '../pgTypes.js';
import { unlessAborted } from '../session.js';
import { canPipeline, type QueuedQuery } from './pipeliningClient.js';

const QUERIES = 4;
const PROOF = '/* tenure: are answers in order? */ select $1::text as tag';

/**
 * Proves, before a connection may be shared, that several queries in flight are answered in their order: some poolers drop such answers. Costs
 * one round trip. The client must be idle, and not used by anyone else.
 *
 * @param disproved called when they are not: from then on no connection needs the proof. The client must then be closed
 */
export async function proveOrder(client: PgClient, signal: AbortSignal, disproved: () => void): Promise<void> {
  if (!canPipeline(client)) return;
  const Query = queryClassOf(client)!;
  const tags = Array.from({ length: QUERIES }, () => randomUUID());
  client.pipeline = true;
  try {
    const answers = tags.map(
      (tag) =>
        new Promise<unknown>((resolve, reject) => {
          client._queryQueue.push(
            new Query({ text: PROOF }, [tag], (error, result) =>
              error ? reject(error) : resolve(result?.rows[0]?.tag),
            ) as QueuedQuery,
          );
        }),
    );
    const all = Promise.all(answers);
    client._pulsePipelinedQueryQueue();
    const answered = await unlessAborted(all, signal);
    if (answered.some((tag, n) => tag !== tags[n])) throw new Error('Queries in flight were answered in another order');
  } catch (error) {
    disproved();
    throw error;
  } finally {
    client.pipeline = false;
  }
}
