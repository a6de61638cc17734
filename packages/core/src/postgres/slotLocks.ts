import { createHash } from 'node:crypto';
import { keepsConnections } from '../lifecycle/retirement.js';
import type { Policy } from '../policy/policy.js';
import { isPooler, type PoolerKind } from '../pool/connector.js';
import {
  type MemberCount,
  type ServerLimits,
  type SlotLocks,
  SlotsDeniedError,
  type TakeRequest,
} from '../pool/slotLocks.js';
import { connectionOf } from './connection.js';
import type { ServerError } from './failures.js';
import type { PgClient, PgResult } from './pgTypes.js';
import { isOpen, roundTrip } from './session.js';
import { SharedLocks } from './sharedLocks.js';
import { CHECK_MARK } from './statements/schemaWatch.js';

/** The beginning of each statement's text: it explains the statement in the server's log, and marks it as Tenure's own. */
const MARK = `${CHECK_MARK}budget */ `;

/** Classes of SQLSTATEs of a server that lacks, or does not allow, such statements. */
const DENIED = ['42', '0A', '3F'];

const LIMITS = `
  select pg_catalog.pg_backend_pid()::text as pid,
    pg_catalog.current_setting('max_connections') as max,
    pg_catalog.current_setting('superuser_reserved_connections') as superusers,
    coalesce(pg_catalog.current_setting('reserved_connections', true), '0') as reserved,
    (select rolconnlimit::text from pg_catalog.pg_roles where rolname = session_user) as role,
    (select datconnlimit::text from pg_catalog.pg_database where datname = pg_catalog.current_database()) as database`;

/**
 * Settings by which the server ends the session of a vanished process, like a lease. The slots of a machine that is gone are free
 * after 90 s; a frozen process loses those of its idle connections after three keepalives.
 */
function leash(policy: Policy): Record<string, string> {
  const isPinged = policy.healthChecks && keepsConnections(policy) && Number.isFinite(policy.keepaliveMs);
  return {
    tcp_keepalives_idle: '60',
    tcp_keepalives_interval: '10',
    tcp_keepalives_count: '3',
    client_connection_check_interval: '10s',
    // Without background pings, the server would end healthy idle sessions as well.
    ...(isPinged && { idle_session_timeout: `${Math.ceil(3 * policy.keepaliveMs)}ms` }),
  };
}

/** Holds slots by advisory locks of PostgreSQL, with two-part keys. The first part is derived from the name of the budget. */
export class PgSlotLocks<C extends PgClient> implements SlotLocks<C> {
  /** The first part of the keys: one for slots and hunger, one for members, one for hungry members. */
  readonly #slots: number;
  readonly #members: number;
  readonly #hungry: number;
  readonly #member: number;
  readonly #pooler: () => PoolerKind | undefined;
  readonly #leash: Record<string, string>;
  /** SQL that sets the limits of `leash`, unless the server has some of its own. */
  #setLeash = '';

  constructor(policy: Policy, member: number, pooler: () => PoolerKind | undefined) {
    // 30 bits: a key is a positive integer, even after 2 is added.
    this.#slots = createHash('sha256').update(`tenure:budget:${policy.budgetName}`).digest().readUInt32BE(0) >>> 2;
    this.#members = this.#slots + 1;
    this.#hungry = this.#slots + 2;
    this.#member = member;
    this.#pooler = pooler;
    this.#leash = policy.budgetLeash ? leash(policy) : {};
  }

  async survey(client: C, signal: AbortSignal): Promise<ServerLimits | { readonly obstacle: string }> {
    const [row = {}] = await this.#ask(client, LIMITS, signal);
    if (isPooler(this.#pooler()) || Number(row.pid) !== client.processID)
      return { obstacle: 'a pooler is in front of the server, and its sessions outlive those of this process' };
    if (!(await this.#areReal(client, signal))) return { obstacle: 'the advisory locks of this server lock nothing' };
    await this.#prepareLeash(client, signal);
    const limit = (text: unknown) => (Number(text) < 0 ? Number.POSITIVE_INFINITY : Number(text));
    return {
      maxConnections: Number(row.max),
      reserved: Number(row.superusers) + Number(row.reserved),
      ofRole: limit(row.role),
      ofDatabase: limit(row.database),
    };
  }

  async take(client: C, { count, limit, start, own }: TakeRequest, signal: AbortSignal): Promise<readonly number[]> {
    const key = `(${start} + i) % ${limit}`;
    // EXCLUSIVE on a slot that no session holds. It becomes SHARE before the statement ends, so that the session of a new
    // connection can take the lock as well.
    const rows = await this.#ask(
      client,
      `with free as materialized (
        select ${key} as k from pg_catalog.generate_series(0, ${limit - 1}) i
        where case when ${key} = any(array[${own.join(',')}]::int[]) then false
          else pg_catalog.pg_try_advisory_lock(${this.#slots}, ${key}) end
        limit ${count})
      select k::text as k, pg_catalog.pg_advisory_lock_shared(${this.#slots}, k)::text,
        pg_catalog.pg_advisory_unlock(${this.#slots}, k)::text as unlocked from free`,
      signal,
    );
    const taken = rows.map(({ k }) => Number(k));
    for (const slot of taken) locksOf(client).add(this.#slots, slot);
    return taken;
  }

  async enter(client: C, signal: AbortSignal): Promise<void> {
    await this.#ask(client, `select ${this.#shareOf(this.#members, this.#member)}${this.#setLeash}`, signal);
    this.#entered(client);
  }

  async inherit(client: C, slot: number, from: C, signal: AbortSignal): Promise<boolean> {
    // Once this session shares the slot, no other can take it. A third holder has therefore taken it before.
    const [row = {}] = await this.#ask(
      client,
      `with mine as materialized (select pg_catalog.pg_try_advisory_lock_shared(${this.#slots}, ${slot}) as has),
      checked as materialized (select has and not exists (
        select from pg_catalog.pg_locks l
        where has and ${this.#isOurs(this.#slots)} and l.objid = ${slot} and l.pid not in (pg_catalog.pg_backend_pid(), ${Number(from.processID)})
      ) as is_mine, has from mine)
      select is_mine::text, has::text, case when is_mine then ${this.#shareOf(this.#members, this.#member)} end as member${this.#setLeash} from checked`,
      signal,
    );
    const isMine = row.is_mine === 'true';
    if (row.has === 'true' && !isMine) await this.release(client, [slot], signal);
    if (!isMine) return false;
    locksOf(client).add(this.#slots, slot);
    this.#entered(client);
    return true;
  }

  async release(client: C, slots: readonly number[], signal: AbortSignal): Promise<void> {
    const unlocks = slots.map((slot) => `pg_catalog.pg_advisory_unlock_shared(${this.#slots}, ${slot})`);
    for (const slot of slots) locksOf(client).remove(this.#slots, slot);
    await this.#ask(client, `select ${unlocks.join(', ')}`, signal);
  }

  async keep(client: C, slot: number, signal: AbortSignal): Promise<boolean> {
    // EXCLUSIVE for the transaction: the session's own SHARE is no obstacle, one of another session is.
    const [row = {}] = await this.#ask(
      client,
      `with mine as materialized (select pg_catalog.pg_try_advisory_xact_lock(${this.#slots}, ${slot}) as has)
      select has::text, case when has then pg_catalog.concat(${this.#shareOf(this.#slots, slot)},
        ${this.#shareOf(this.#members, this.#member)}) end as member${this.#setLeash} from mine`,
      signal,
    );
    const has = row.has === 'true';
    locksOf(client).forget();
    if (has) locksOf(client).add(this.#slots, slot);
    if (has) this.#entered(client);
    return has;
  }

  async showHunger(client: C, signal: AbortSignal): Promise<void> {
    const [all, mine] = [this.#shareOf(this.#slots, -1), this.#shareOf(this.#hungry, this.#member)];
    await this.#ask(client, `select ${all}, ${mine} as member`, signal);
    locksOf(client).add(this.#slots, -1).add(this.#hungry, this.#member);
  }

  async hideHunger(client: C, signal: AbortSignal): Promise<void> {
    locksOf(client).remove(this.#slots, -1).remove(this.#hungry, this.#member);
    const unlock = 'pg_catalog.pg_advisory_unlock_shared';
    await this.#ask(
      client,
      `select ${unlock}(${this.#slots}, -1), ${unlock}(${this.#hungry}, ${this.#member}) as member`,
      signal,
    );
  }

  async isAnyoneHungry(client: C, signal: AbortSignal): Promise<boolean> {
    const key = `(${this.#slots}, -1)`;
    const [row = {}] = await this.#ask(
      client,
      `select case when pg_catalog.pg_try_advisory_lock${key} then not pg_catalog.pg_advisory_unlock${key} else true end::text as hungry`,
      signal,
    );
    return row.hungry === 'true';
  }

  async census(client: C, signal: AbortSignal): Promise<readonly MemberCount[]> {
    // One row, since a client spends more on each row than the server on the whole statement.
    const [row = {}] = await this.#ask(
      client,
      `select pg_catalog.string_agg(pg_catalog.concat_ws(' ', kind, member, sessions), ',') as members from (
        select l.classid::bigint - ${this.#members} as kind, l.objid::bigint as member, pg_catalog.count(distinct l.pid) as sessions
        from pg_catalog.pg_locks l where ${this.#isOurs(this.#members, this.#hungry)} group by 1, 2) as counts`,
      signal,
    );
    const members = new Map<number, MemberCount>();
    for (const count of String(row.members ?? '').split(',')) {
      if (count === '') continue;
      const [kind, member, sessions] = count.split(' ').map(Number) as [number, number, number];
      const known = members.get(member) ?? { member, held: 0, isHungry: false };
      members.set(member, kind === 0 ? { ...known, held: sessions } : { ...known, isHungry: true });
    }
    return [...members.values()];
  }

  async audit(client: C, signal: AbortSignal): Promise<ReadonlySet<number>> {
    const rows = await this.#ask(
      client,
      `select distinct l.pid::text as pid from pg_catalog.pg_locks l where ${this.#isOurs(this.#slots)} and l.objid::bigint < 2147483648`,
      signal,
    );
    return new Set(rows.map(({ pid }) => Number(pid)));
  }

  mayHaveLost(client: C): boolean {
    return connectionOf(client).borrower.takeUnlocked();
  }

  /** Whether the server really locks. Some databases accept the functions and lock nothing (cockroach#13546): their `pg_locks` is empty. */
  async #areReal(client: C, signal: AbortSignal): Promise<boolean> {
    await this.#ask(client, `select ${this.#shareOf(this.#slots, -2)}`, signal);
    const own = `select pg_catalog.count(*)::text as count from pg_catalog.pg_locks l where l.pid = pg_catalog.pg_backend_pid() and ${this.#isOurs(this.#slots)}`;
    const [row = {}] = await this.#ask(client, own, signal);
    await this.#ask(client, `select pg_catalog.pg_advisory_unlock_shared(${this.#slots}, -2)`, signal);
    return Number(row.count) > 0;
  }

  /** Finds out which limits the server leaves unset, and sets those. A server on a system that cannot watch its sockets refuses one of them. */
  async #prepareLeash(client: C, signal: AbortSignal): Promise<void> {
    const names = Object.keys(this.#leash);
    this.#setLeash = '';
    if (names.length === 0) return;
    const rows = await this.#ask(
      client,
      `select name from pg_catalog.pg_settings where name in (${names.map((name) => `'${name}'`).join(', ')}) and (source = 'default' or setting = '0')`,
      signal,
    );
    for (const { name } of rows) {
      const set = `pg_catalog.set_config('${name}', '${this.#leash[String(name)]}', false)`;
      try {
        await this.#ask(client, `select ${set}`, signal);
        this.#setLeash += `, ${set} as ${name}`;
      } catch (error) {
        if (signal.aborted || !isOpen(client)) throw error;
      }
    }
  }

  #entered(client: C): void {
    const locks = locksOf(client);
    locks.add(this.#members, this.#member);
    locks.setLeash = this.#setLeash === '' ? undefined : `SELECT ${this.#setLeash.slice(2)}`;
  }

  #shareOf(key: number, object: number): string {
    return `pg_catalog.pg_advisory_lock_shared(${key}, ${object})::text`;
  }

  /** SQL for the locks of this fleet in `pg_locks` with one of these keys. */
  #isOurs(...keys: readonly number[]): string {
    return (
      `l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid in (${keys.map((key) => `'${key}'::oid`).join(', ')}) and ` +
      'l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())'
    );
  }

  async #ask(client: C, sql: string, signal: AbortSignal): Promise<PgResult['rows']> {
    try {
      return (await roundTrip(client, MARK + sql, signal)).rows;
    } catch (error) {
      const { code = '', message } = error as ServerError & Error;
      if (signal.aborted || !DENIED.some((start) => String(code).startsWith(start))) throw error;
      throw new SlotsDeniedError(`the server refuses its statements (${code}: ${message})`, { cause: error });
    }
  }
}

function locksOf(client: PgClient): SharedLocks {
  const connection = connectionOf(client);
  connection.locks ??= new SharedLocks();
  return connection.locks;
}
