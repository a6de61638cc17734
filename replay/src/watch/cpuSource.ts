/** The CPU time of all processes of the server, including those that have ended. */
export interface ServerCpu {
  /** False if ended processes count only up to the last look at them. */
  readonly complete: boolean;
  /** CPU time since the server's start, or since the first reading; null if it is unknown. */
  readMs(): Promise<number | null>;
}

/** The backend of a session, and the parent of all processes of its server. */
export interface Backend {
  pid: number;
  postmaster: number;
}
