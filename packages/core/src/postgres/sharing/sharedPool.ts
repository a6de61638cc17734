import type { Pool } from '../../pool/pool.js';
import type { PgClient } from '../pgTypes.js';
import { Share, type ShareHost } from './share.js';

/** A pool that is one with others of the same target and settings, for an adapter. It behaves as the engine does. */
export function sharedPool<C extends PgClient>(host: ShareHost<C>): Pool<C> {
  return new Share(host) as unknown as Pool<C>;
}
