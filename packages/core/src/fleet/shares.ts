/**
 * How the processes of a fleet share its budget: facts in, numbers out.
 *
 * The slots of a budget are locks on the server, so the connections never exceed the slots, whatever is computed here. These
 * rules only decide who closes connections for whom, and how many slots a hungry member requests.
 */

/** A member of the fleet, as a census counts it. A member is one pool. */
export interface MemberCount {
  /** A random number, the same in the census of every member. */
  readonly member: number;
  /** Connections that hold a slot. */
  readonly held: number;
  /** Whether callers wait and no slot was free. */
  readonly isHungry: boolean;
}

/**
 * The equal share: the most that each member may hold, so that all together stay within the limit (water-filling). A member that
 * is not hungry keeps what it holds and leaves the rest of its share to the others.
 *
 * @returns `Infinity` when no member is hungry
 */
export function levelOf(limit: number, members: readonly MemberCount[]): number {
  const modest = members.filter(({ isHungry }) => !isHungry).map(({ held }) => held);
  let left = limit;
  let sharing = members.length;
  for (const held of modest.sort((one, other) => one - other)) {
    if (held * sharing > left) break;
    left -= held;
    sharing--;
  }
  return sharing === 0 ? Number.POSITIVE_INFINITY : left / sharing;
}

/**
 * How many connections this member closes, so that hungry members reach their equal share. All members compute it from the same
 * census, so they agree without messages: the richest give, one connection at a time.
 */
export function shareToGive(limit: number, members: readonly MemberCount[], own: number): number {
  const level = levelOf(limit, members);
  const hungry = members.filter(({ isHungry }) => isHungry);
  const before = heldBy(own, members);
  if (level === Number.POSITIVE_INFINITY || hungry.length === 0 || before === 0) return 0;
  const [floor, ceiling] = [Math.floor(level), Math.ceil(level)];
  const free = Math.max(0, limit - sum(members.map(({ held }) => held)));
  const missing = sum(hungry.map(({ held }) => Math.max(0, floor - held)));
  const above = sum(hungry.map(({ held }) => Math.max(0, ceiling - Math.max(floor, held))));
  const spare = Math.max(0, free - missing);
  // First every member gets the whole part of a share. Otherwise two at the top would keep theirs while others starve at 1.
  const once = lowered(members, missing - free, floor);
  return before - heldBy(own, lowered(once, above - spare, ceiling));
}

/** The same members after the richest, above the floor, have given this many. Of two equal members the one with the higher number gives first. */
function lowered(members: readonly MemberCount[], count: number, floor: number): readonly MemberCount[] {
  if (count <= 0) return members;
  const excess = (above: number) => sum(members.map(({ held }) => Math.max(0, held - above)));
  let top = Math.max(floor, ...members.map(({ held }) => held));
  while (top > floor && excess(top - 1) <= count) top--;
  const left = top > floor ? count - excess(top) : 0;
  const atTop = members.filter(({ held }) => held >= top).sort((one, other) => other.member - one.member);
  const giving = new Set(atTop.slice(0, left));
  return members.map((one) => ({ ...one, held: Math.min(one.held, top) - (giving.has(one) ? 1 : 0) }));
}

/**
 * How many slots a hungry member requests. The remainder of the shares goes to the poorest first. Without this limit one member
 * would take all that was given for several, and have to give it back.
 */
export function shareToTake(limit: number, members: readonly MemberCount[], own: number): number {
  const level = levelOf(limit, members);
  const held = heldBy(own, members);
  const hasPoorer = members.some((one) => one.member !== own && one.isHungry && one.held < held);
  return Math.max(0, (hasPoorer ? Math.floor(level) : Math.ceil(level)) - held);
}

/** How many idle connections a member that is not hungry closes for the hungry ones. */
export function shareToLend(own: {
  /** Connections that are open or being opened. */
  readonly size: number;
  readonly idle: number;
  /** The largest number of connections that were in use at once lately. */
  readonly peak: number;
}): number {
  return Math.max(0, Math.min(own.idle, own.size - Math.max(1, own.peak)));
}

/** The limits of a server. A limit that it does not set is `Infinity`. */
export interface ServerLimits {
  readonly maxConnections: number;
  /** Connections for privileged roles only: superusers, and those with `pg_use_reserved_connections`. */
  readonly reserved: number;
  readonly ofRole: number;
  readonly ofDatabase: number;
}

/** The share of a server that `CONN_BUDGET=auto` takes. The rest is for migrations, cron jobs, and people who look for a fault. */
const AUTO_SHARE = 0.8;

/** The budget of `auto`, computed from settings of the server only, so that each process gets the same number. */
export function autoLimit({ maxConnections, reserved, ofRole, ofDatabase }: ServerLimits): number {
  return Math.max(1, Math.min(ofRole, ofDatabase, Math.floor(AUTO_SHARE * (maxConnections - reserved))));
}

function heldBy(own: number, members: readonly MemberCount[]): number {
  return members.find(({ member }) => member === own)?.held ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
