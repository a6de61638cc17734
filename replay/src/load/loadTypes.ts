export interface LoadJob {
  urls: string[];
  method: 'GET' | 'POST';
  clients: number;
  /** Requests per second of all clients together; without it as many as they can. */
  rate?: number;
  /** The shortest time for which the clients send requests; each then finishes its last. */
  forMs: number;
  /** The load goes on until this many requests are answered… */
  untilAnswered: number;
  /** …but no longer than this. */
  maxMs: number;
  /** A bound on the loop, never reached in practice. */
  maxRequests: number;
  /** A client gives up a request after this time. */
  clientTimeoutMs: number;
  /** The load before the measurement, which goes on without a pause: until this many requests are answered, but no longer than `maxMs`. */
  warmUp?: { untilAnswered: number; maxMs: number };
  /** More clients, which start later and use other processes. */
  joining?: { urls: string[]; clients: number; afterMs: number };
}

export interface Progress {
  answered: number;
  failed: number;
  timedOut: number;
}

export interface LoadResult extends Progress {
  /** The answered requests that violated the unique key, as they should. */
  conflicts: number;
  /** Requests answered per second while all clients were at work. */
  perSecond: number;
  /** The median of the answered requests; null without one. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** The time for which all clients were at work. */
  ms: number;
  cpuMs: number;
}
