/** What the rules may know of one open connection. Moments are milliseconds of the pool's clock. */
export interface ConnectionFacts {
  /** How often it was checked out. */
  readonly uses: number;
  /** When its jittered life is over. */
  readonly expiresAt: number;
  /** When the server was last heard from on it. */
  readonly heardAt: number;
  /** In which epoch of the pool that was. */
  readonly epoch: number;
  /** Its server takes no writes any more. */
  readonly readOnly: boolean;
  /** In [0, 1), its own: spreads what would otherwise happen to many at once. */
  readonly spread: number;
  /** Since when it waits for a borrower. */
  readonly idleSince: number;
  /** Which generation of the pool it was opened in; `invalidate()` starts a new one. */
  readonly generation: number;
}

/** What the rules may know of the pool around it. */
export interface PoolFacts {
  /** Connections that are open or being opened, without those being closed. */
  readonly size: number;
  /** Connections that wait to be reused, those of pools that keep to the same limit included. */
  readonly idle: number;
  readonly generation: number;
}
