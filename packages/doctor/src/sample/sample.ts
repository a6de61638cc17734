/** A recording: the facts of the server, once, and its sessions, several times a second. Times are milliseconds since 1970, on the server's clock. */
export interface Recording {
  /** Null in a recording without a header; the server's limits are then unknown. */
  readonly server: ServerFacts | null;
  readonly samples: readonly Sample[];
  /** Logins of the doctor itself that the server refused. */
  readonly refusals: readonly Refusal[];
  /** Planned and executed statements within the window; null without pg_stat_statements or its track_planning. */
  readonly plans: PlanCounts | null;
}

export interface ServerFacts {
  readonly version: string;
  /** In the form of `server_version_num`: 180004 is 18.4. */
  readonly versionNumber: number;
  readonly database: string;
  readonly role: string;
  readonly superuser: boolean;
  /** Whether the role may read the activity of all roles: `pg_read_all_stats`, which is in `pg_monitor`. */
  readonly readsAllStats: boolean;
  /** Whether it is a hot standby, and so in recovery. */
  readonly standby: boolean;
  /** Whether the doctor's own connection goes through a pooler: the backend that answers is then not the one that was opened. */
  readonly pooler: boolean;
  readonly maxConnections: number;
  /** Slots that ordinary roles cannot take: `superuser_reserved_connections` and `reserved_connections`. */
  readonly reservedConnections: number;
  /** Limits of roles and databases, where there are any. */
  readonly roleLimits: Readonly<Record<string, number>>;
  readonly databaseLimits: Readonly<Record<string, number>>;
  /** Seconds before the server probes a silent TCP connection; 0 where it cannot be read. */
  readonly tcpKeepalivesIdleSeconds: number;
}

export interface Sample {
  readonly at: number;
  /** Keyed by database. */
  readonly counters: Readonly<Record<string, Counters>>;
  /** All client sessions except the doctor's. */
  readonly sessions: readonly Session[];
  /** Transactions that the doctor itself had run before this sample, in its own database. */
  readonly ownTransactions: number;
  /** When the server was started; null where that is not recorded. */
  readonly bootAt: number | null;
  /** In a few samples only, because statements are long. */
  readonly statements?: Readonly<Record<string, Statement>>;
}

/** The last statement of a session, by its process ID. */
export interface Statement {
  /** The text, with `?` in the place of each literal. */
  readonly text: string;
  /** How many transactions old the oldest row version is that vacuum must keep for this session; null for none. */
  readonly horizonAge: number | null;
}

/** The counters of `pg_stat_database`, since their last reset. */
export interface Counters {
  readonly commits: number;
  readonly rollbacks: number;
  readonly sessions: number;
  readonly abandoned: number;
  readonly fatal: number;
  readonly killed: number;
  readonly sessionMs: number;
  readonly activeMs: number;
  readonly resetAt: number | null;
}

/** One row of `pg_stat_activity`. */
export interface Session {
  readonly pid: number;
  /** Null where the role may not see it. */
  readonly startedAt: number | null;
  /** Null while a login is in progress or being refused. */
  readonly user: string | null;
  readonly database: string | null;
  readonly application: string;
  /** Null for a Unix socket, and where the role may not see it. */
  readonly address: string | null;
  readonly state: string | null;
  readonly stateAt: number | null;
  readonly transactionAt: number | null;
  readonly waitEvent: string | null;
  /** The process IDs that hold the lock it waits for. */
  readonly blockedBy: readonly number[];
  /** Whether it has run no statement yet, and so was opened ahead of need. False if the recording does not say. */
  readonly untouched: boolean;
  /** Whether the doctor's own query ran on this backend, behind a pooler. Its state is then the doctor's doing. */
  readonly own: boolean;
}

export interface Refusal {
  readonly at: number;
  /** SQLSTATE, or a code of Node's such as ECONNREFUSED. */
  readonly code: string;
  readonly message: string;
}

export interface PlanCounts {
  readonly calls: number;
  /** Calls of statements that are planned at 9 of 10 calls or more. */
  readonly callsPlannedEachTime: number;
}

/** A login in progress or being refused, which has no role yet. PostgreSQL 18 and later show it. */
export function isLogin({ user }: Session): boolean {
  return user === null;
}

/** Whether the role may not see this session's state and times. */
export function isHidden({ user, startedAt }: Session): boolean {
  return user !== null && startedAt === null;
}
