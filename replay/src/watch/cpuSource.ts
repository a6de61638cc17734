/** The server's CPU time: all of its processes, those that have ended included. */
export interface ServerCpu {
  /** False where ended processes count only as far as they were seen. */
  readonly complete: boolean;
  /** Since the server's start, or since it was first read; null where it cannot be had. */
  readMs(): Promise<number | null>;
}

/** The backend of a session, and the parent of all of its server's processes. */
export interface Backend {
  pid: number;
  postmaster: number;
}
