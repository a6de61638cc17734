export interface LoadJob {
  urls: string[];
  method: 'GET' | 'POST';
  clients: number;
  /** Requests per second of all clients together; as many as they can without it. */
  rate?: number;
  /** How long the clients send requests, at least; each then finishes its last. */
  forMs: number;
  /** Goes on until so many are answered… */
  untilAnswered: number;
  /** …but no longer than this. */
  maxMs: number;
  /** A bound on the loop, never met in practice. */
  maxRequests: number;
  /** After this a client gives its request up. */
  clientTimeoutMs: number;
  /** More clients, which come later, to other processes. */
  joining?: { urls: string[]; clients: number; afterMs: number };
}

export interface Progress {
  answered: number;
  failed: number;
  timedOut: number;
}

export interface LoadResult extends Progress {
  /** Of the answered: those told that a key is taken, as they should be. */
  conflicts: number;
  /** Answered while all clients were at work, per second. */
  perSecond: number;
  /** Of the answered; null when none was. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** While all clients were at work. */
  ms: number;
  cpuMs: number;
}
