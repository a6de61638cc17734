import { genericPool } from './genericPool.js';
import type { PeerKind } from './peer.js';
import { pgPool } from './pgPool.js';
import { tarn, tarnValidating } from './tarn.js';
import { tenure } from './tenure.js';

export const PEERS: readonly PeerKind[] = [tenure, tarn, tarnValidating, pgPool, genericPool];
