import type { PgClient } from '../pgTypes.js';
import { ReuseRate } from './benefit.js';
import { TextCounts } from './cache.js';

/** Texts of one generation in the table of a database. */
const TEXTS = 1_000;
/** The least time between two checks. */
const CHECK_EVERY_MS = 1_000;
/** A check that must scan uses a thousandth of a core: the longer it takes, the rarer it is, but never rarer than this. */
const RAREST_CHECK_MS = 10_000;
/** The answer to a check counts for this long after the next one is due. */
const GRACE_MS = 1_000;
/** The first query after a silence of this length is sent unprepared, because a check before it would take a round trip. */
const SILENCE_MS = 10_000;
/** If the schema changes so often that preparing does not pay, nothing is prepared for a while, twice as long each time. */
const SHORTEST_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;

/** The text of a check begins with this, for readers of the server's log. */
export const CHECK_MARK = '/* tenure: ';

/** The sign of a server that replays the changes of another one. */
const STANDBY = 'standby';

/** Catalogs whose rows decide what a name means, and which type a parameter has. */
const CATALOGS = {
  pg_attribute: 1249,
  pg_class: 1259,
  pg_type: 1247,
  pg_proc: 1255,
  pg_namespace: 2615,
  pg_operator: 2617,
  pg_cast: 2605,
};

const counters = Object.values(CATALOGS).flatMap((oid) =>
  ['inserted', 'updated', 'deleted'].map((what) => `pg_catalog.pg_stat_get_tuples_${what}(${oid})`),
);

/** The number of the rows that are not PostgreSQL's own, and the sum of the transactions that wrote them. */
const scans = ['pg_attribute', 'pg_class', 'pg_type', 'pg_proc', 'pg_namespace'].map((catalog) => {
  const key = catalog === 'pg_attribute' ? 'attrelid' : 'oid';
  const rows = catalog === 'pg_namespace' ? '' : ` where ${key} >= 16384`;
  return `(select pg_catalog.concat(pg_catalog.count(*), '/', pg_catalog.sum(xmin::text::bigint)) from pg_catalog.${catalog}${rows})`;
});

/**
 * Returns the backend that answers, and a sign that differs when tables, types, functions or schemas have changed.
 *
 * The sign consists of the statistics counters of the catalogs, which cost nothing and lag by up to 10 s behind a session that
 * stays open. A server with `track_counts` off counts nothing, and before PostgreSQL 15 an idle session may never report its
 * counts; in these cases the catalogs are scanned. On a standby, replay changes no counter, so nothing is prepared there.
 */
export const SCHEMA_CHECK = `${CHECK_MARK}have tables changed? */ select pg_catalog.pg_backend_pid()::text as pid, case
  when pg_catalog.pg_is_in_recovery() then '${STANDBY}'
  when pg_catalog.current_setting('track_counts') = 'off'
    or pg_catalog.current_setting('server_version_num')::int < 150000
  then pg_catalog.concat_ws(',', 'scan', ${scans.join(', ')})
  else pg_catalog.concat_ws(',', 'counters', ${counters.join(', ')}) end as sign`;

/** Returns only the backend that answers. */
export const BACKEND_CHECK = `${CHECK_MARK}who answers? */ select pg_catalog.pg_backend_pid()::text as pid`;

/** Whether the schema of one database may have changed under the prepared statements of this process. */
export class SchemaWatch {
  readonly texts = new TextCounts(TEXTS);
  readonly reuse = new ReuseRate();
  #sign: string | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #trustedUntil = Number.NEGATIVE_INFINITY;
  #everyMs = CHECK_EVERY_MS;
  /** When a query could last have used a statement. */
  #wantedAt: number | undefined;
  #restMs = 0;
  #restUntil = Number.NEGATIVE_INFINITY;

  /** Whether nothing is prepared for a while, because the schema changes too often. */
  isResting(now: number): boolean {
    return now < this.#restUntil;
  }

  /** Whether the last check is recent and found no change. */
  isTrusted(now: number): boolean {
    return now < this.#trustedUntil && !this.isResting(now);
  }

  /** Called before a query that could use a statement. Returns whether a check must be sent before it. */
  requestCheck(now: number): boolean {
    const isFirstInALongTime = this.#wantedAt !== undefined && now - this.#wantedAt > SILENCE_MS;
    this.#wantedAt = now;
    return now - this.#askedAt >= this.#everyMs && !isFirstInALongTime && !this.isResting(now);
  }

  /** Called when a check was sent, so that other connections need not send one. */
  checkSent(now: number): void {
    this.#askedAt = now;
  }

  /** Called when a check was answered. Returns whether the schema has changed. */
  checkAnswered(sign: string, askedAt: number, now: number): boolean {
    const isChanged = this.#sign !== undefined && this.#sign !== sign;
    this.#sign = sign;
    const costMs = sign.startsWith('scan') ? now - askedAt : 0;
    this.#everyMs = Math.min(Math.max(CHECK_EVERY_MS, 1_000 * costMs), RAREST_CHECK_MS);
    if (isChanged) this.schemaChanged(now);
    this.#trustedUntil = sign === STANDBY ? Number.NEGATIVE_INFINITY : askedAt + this.#everyMs + GRACE_MS;
    return isChanged;
  }

  /** Makes all statements be prepared again. If changes come so fast that this does not pay, nothing is prepared for a while. */
  schemaChanged(now: number): void {
    this.texts.expireAll();
    const judgement = this.reuse.judge();
    if (judgement === 'pays') this.#restMs = 0;
    if (judgement !== 'does not pay') return;
    this.#restMs = Math.min(Math.max(2 * this.#restMs, SHORTEST_REST_MS), LONGEST_REST_MS);
    this.#restUntil = now + this.#restMs;
  }
}

const watches = new Map<string, WeakRef<SchemaWatch>>();

/** The schema watch of the database that a client is connected to: one for all pools of this process. It lives as long as one of them holds it. */
export function schemaWatchOf({ host, port, database }: PgClient): SchemaWatch {
  const key = JSON.stringify([host, port, database]);
  const known = watches.get(key)?.deref();
  if (known) return known;
  const watch = new SchemaWatch();
  for (const [other, held] of watches) if (!held.deref()) watches.delete(other);
  watches.set(key, new WeakRef(watch));
  return watch;
}
