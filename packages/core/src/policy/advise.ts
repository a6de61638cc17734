import { TenureUsageError } from '../errors.js';

/** The limits of a server, by `SHOW` and the catalogs. */
export interface ServerLimits {
  /** `max_connections`. */
  readonly maxConnections: number;
  /** `superuser_reserved_connections` and `reserved_connections` together. Default: 3, PostgreSQL's own. */
  readonly reservedConnections?: number | undefined;
  /** `CONNECTION LIMIT` of the app's role. Default: none. */
  readonly roleLimit?: number | undefined;
  /** `CONNECTION LIMIT` of the database. Default: none. */
  readonly databaseLimit?: number | undefined;
  /** CPU cores of the server, without hyper-threads. Default: unknown. */
  readonly cores?: number | undefined;
  /** Sessions of other apps, replicas' tools and people at the busiest time. Default: a fifth of what `max_connections` leaves is kept for them. */
  readonly otherSessions?: number | undefined;
}

/** The load of one process in its busiest minute. */
export interface ProcessLoad {
  /** Checkouts per second: the growth of `stats().acquired`. */
  readonly perSecond: number;
  /** How long a checkout holds its connection on average, in milliseconds: a whole transaction, with the app's own work in it. */
  readonly useMs: number;
  /** How long callers wait for a connection now, on average, in milliseconds. Default: not measured. */
  readonly waitMs?: number | undefined;
  /** `MAX_CONNS` when that was measured. Default: not measured. */
  readonly maxConnections?: number | undefined;
}

/** The input of `advise`. */
export interface SizingFacts {
  readonly server: ServerLimits;
  /** The largest number of processes with a pool at one time: in a rolling deployment, the old and the new ones. */
  readonly processes: number;
  /** Default: unknown. */
  readonly load?: ProcessLoad | undefined;
}

/** A setting, and why it should have this value. */
export interface AdvisedSetting {
  readonly env: 'MAX_CONNS' | 'REUSE_CONNS' | 'CONN_BUDGET';
  readonly value: number;
  /** The reason in plain words, with the figures it follows from. */
  readonly reason: string;
}

/** The expected use of `maxConnections` connections in one process. */
export interface Expectation {
  /** Connections in use on average. */
  readonly busy: number;
  /** The share of the connections that are in use on average. At 1 or more the line grows without end. */
  readonly utilisation: number;
  /** The share of callers that wait, 0 to 1. */
  readonly waitingShare: number;
  /** Mean wait of all callers, in milliseconds; `Infinity` when the line grows without end. */
  readonly waitMs: number;
}

export interface Advice {
  readonly maxConnections: AdvisedSetting;
  readonly reuseConnections: AdvisedSetting;
  readonly budget: AdvisedSetting;
  /** Absent without a load. */
  readonly expected?: Expectation;
  /** Problems that none of these settings can solve. */
  readonly warnings: readonly string[];
}

/** The share of the server's slots that is kept for others if their number is unknown; `CONN_BUDGET=auto` keeps the same. */
const HEADROOM = 0.2;
/** PostgreSQL's default of `superuser_reserved_connections`; `reserved_connections` is 0. */
const RESERVED = 3;
/** At most this share of the callers should wait. */
const MAY_WAIT = 0.05;
/** With one connection, a query beside a transaction of the same process would wait for that transaction. */
const LEAST = 2;
/** Below this utilisation a wait has another cause than a shortage of connections. */
const LIGHT = 0.5;

/**
 * Computes `MAX_CONNS`, `REUSE_CONNS` and `CONN_BUDGET`, with reasons. Pure. The rules, and their sources, are in docs/sizing.md.
 *
 * @throws TenureUsageError for an impossible fact, with its name, its value and what is allowed
 */
export function advise(facts: SizingFacts): Advice {
  check(facts);
  const { processes, load } = facts;
  const { left, why } = leftBy(facts.server);
  const budget = Math.max(1, left);
  const share = Math.max(1, Math.floor(budget / processes));
  const busy = load && (load.perSecond * load.useMs) / 1_000;
  const wanted = wantedOf(facts, busy);
  const max = Math.min(wanted.connections, share);
  const reuse = busy === undefined ? max : Math.min(max, Math.max(1, Math.ceil(busy + 2 * Math.sqrt(busy))));
  const expected = load && busy !== undefined ? expectationOf(load, busy, max) : undefined;
  return {
    maxConnections: { env: 'MAX_CONNS', value: max, reason: maxReason(facts, budget, share, wanted) },
    reuseConnections: { env: 'REUSE_CONNS', value: reuse, reason: reuseReason(busy, reuse, max) },
    budget: { env: 'CONN_BUDGET', value: budget, reason: why },
    ...(expected && { expected }),
    warnings: warningsOf(facts, { left, budget, share, busy, wanted: wanted.connections }),
  };
}

/** The connections that a server leaves for the app, by the rule of `CONN_BUDGET=auto`, with `otherSessions` if it is given. */
function leftBy(server: ServerLimits): { left: number; why: string } {
  const { maxConnections, reservedConnections = RESERVED, roleLimit, databaseLimit, otherSessions } = server;
  const slots = Math.max(0, maxConnections - reservedConnections);
  const kept = otherSessions ?? Math.ceil(HEADROOM * slots);
  const keptFor = otherSessions === undefined ? 'a fifth of them is kept for others' : `${kept} are others'`;
  const rules: [number, string][] = [
    [
      slots - kept,
      `max_connections ${maxConnections} less ${reservedConnections} reserved leaves ${slots}; ${keptFor}`,
    ],
  ];
  if (roleLimit !== undefined) rules.push([roleLimit, `the role may have ${roleLimit} connections`]);
  if (databaseLimit !== undefined) rules.push([databaseLimit, `the database may have ${databaseLimit} connections`]);
  const [least, why] = rules.reduce((one, other) => (other[0] < one[0] ? other : one));
  return { left: Math.max(0, least), why: `${why}.` };
}

interface Wanted {
  readonly connections: number;
  readonly why: string;
}

/** How many connections one process can use, whatever the server allows. */
function wantedOf({ server, processes, load }: SizingFacts, busy: number | undefined): Wanted {
  const { cores } = server;
  if (load !== undefined && busy !== undefined) {
    const connections = Math.max(LEAST, connectionsFor(busy));
    const why =
      `${number(load.perSecond)} checkouts a second of ${number(load.useMs)} ms keep ${number(busy)} connections busy (Little’s law); ` +
      `with ${connections}, at most one caller in twenty waits`;
    return { connections, why };
  }
  if (cores === undefined) return { connections: Number.POSITIVE_INFINITY, why: 'the load is not known' };
  const useful = 2 * cores + 1;
  const why = `the load is not known, and ${plural(cores, 'core')} seldom do more work with more than ${useful} busy connections`;
  return { connections: Math.max(LEAST, Math.ceil(useful / processes)), why };
}

function maxReason({ processes }: SizingFacts, budget: number, share: number, { connections, why }: Wanted): string {
  const room = `${plural(processes, 'process')} may have ${share} each of the ${budget} that the server has for them`;
  if (connections <= share) return `${capital(why)}. ${capital(room)}.`;
  const lent =
    connections <= budget && Number.isFinite(connections) && processes > 1
      ? ` With CONN_BUDGET=${budget} it may be ${connections}: processes then lend each other what they do not use.`
      : '';
  return `${capital(room)}; ${why}.${lent}`;
}

function reuseReason(busy: number | undefined, reuse: number, max: number): string {
  if (busy === undefined) return 'As MAX_CONNS, as long as the load is not known.';
  if (reuse === max) return 'As MAX_CONNS: all of them are in steady use.';
  return `On average ${number(busy)} are in use, and seldom more than ${reuse} (two standard deviations more); those above it serve bursts.`;
}

interface Computed {
  readonly left: number;
  readonly budget: number;
  readonly share: number;
  readonly busy: number | undefined;
  readonly wanted: number;
}

function warningsOf(
  { server, processes, load }: SizingFacts,
  { left, budget, share, busy, wanted }: Computed,
): string[] {
  const warnings: string[] = [];
  if (processes > left) {
    warnings.push(
      `${plural(processes, 'process')} ${processes === 1 ? 'does' : 'do'} not fit into ${plural(left, 'connection')}, even with one each. Run fewer, raise max_connections, or put a pooler in front.`,
    );
  }
  if (busy !== undefined && load !== undefined && wanted > share) {
    const total = Math.ceil(busy * processes);
    const fate = busy < share ? 'More callers wait' : 'The line grows without end';
    warnings.push(
      `One process wants ${wanted} connections and can have ${share}. ${fate}. ` +
        (total < budget
          ? `If they are not all busy at once, CONN_BUDGET=${budget} with a higher MAX_CONNS helps; else make transactions shorter, or raise max_connections.`
          : `All of them together keep ${total} busy: make transactions shorter, raise max_connections, or use a bigger server.`),
    );
  }
  if (busy !== undefined && server.cores !== undefined && busy * processes > 2 * server.cores + 1) {
    warnings.push(
      `${number(busy * processes)} connections are busy on average, for ${plural(server.cores, 'core')}. If most of that time is spent in queries, the server is the limit, and more connections make it slower.`,
    );
  }
  if (busy !== undefined && load?.waitMs !== undefined && load.maxConnections !== undefined) {
    const { utilisation, waitMs } = expectationOf(load, busy, load.maxConnections);
    if (utilisation < LIGHT && load.waitMs > 10 * waitMs + 1) {
      warnings.push(
        `Callers wait ${number(load.waitMs)} ms although only ${percent(utilisation)} of ${plural(load.maxConnections, 'connection')} are in use. More connections will hardly help: look for bursts, for connects (REUSE_CONNS, CONN_MAX_AGE), and for transactions that are held while the app does something else.`,
      );
    }
  }
  return warnings;
}

function expectationOf({ useMs }: ProcessLoad, busy: number, connections: number): Expectation {
  const utilisation = busy / connections;
  const share = waitingShare(connections, busy);
  const waitMs = utilisation < 1 ? (share * useMs) / (connections - busy) : Number.POSITIVE_INFINITY;
  return { busy, utilisation, waitingShare: share, waitMs: busy === 0 ? 0 : waitMs };
}

/** The share of callers that wait, when `busy` of so many connections are in use on average: Erlang's C formula. */
export function waitingShare(connections: number, busy: number): number {
  let refused = 1;
  for (let n = 1; n <= connections; n++) refused = refusedShare(n, busy, refused);
  return ofRefused(refused, connections, busy);
}

/** The fewest connections with which at most `MAY_WAIT` of the callers wait. */
function connectionsFor(busy: number): number {
  let [connections, refused] = [0, 1];
  while (ofRefused(refused, connections, busy) > MAY_WAIT) refused = refusedShare(++connections, busy, refused);
  return connections;
}

/** Erlang's B formula for `n` connections, computed from the one for `n - 1`: a factorial would overflow. */
function refusedShare(n: number, busy: number, ofOneLess: number): number {
  return (busy * ofOneLess) / (n + busy * ofOneLess);
}

/** From Erlang's B to C: callers that would be refused wait instead. */
function ofRefused(refused: number, connections: number, busy: number): number {
  if (busy === 0) return 0;
  return busy >= connections ? 1 : refused / (1 - (busy / connections) * (1 - refused));
}

function check({ server, processes, load }: SizingFacts): void {
  whole('server.maxConnections', server.maxConnections, 1);
  whole('server.reservedConnections', server.reservedConnections, 0);
  whole('server.roleLimit', server.roleLimit, 0);
  whole('server.databaseLimit', server.databaseLimit, 0);
  whole('server.cores', server.cores, 1);
  whole('server.otherSessions', server.otherSessions, 0);
  whole('processes', processes, 1);
  if (load === undefined) return;
  positive('load.perSecond', load.perSecond);
  positive('load.useMs', load.useMs);
  if (load.waitMs !== undefined) positive('load.waitMs', load.waitMs);
  whole('load.maxConnections', load.maxConnections, 1);
  positive('load.perSecond × load.useMs / 1000', (load.perSecond * load.useMs) / 1_000);
}

/** An upper bound for loops that count up, far above the connections of any server. */
const MOST = 1_000_000;

function whole(name: string, value: number | undefined, least: number): void {
  if (value === undefined && name !== 'processes' && name !== 'server.maxConnections') return;
  if (Number.isInteger(value) && value! >= least && value! <= MOST) return;
  throw new TenureUsageError(`${name} = ${value}: wants a whole number from ${least} to ${MOST}.`);
}

function positive(name: string, value: number): void {
  if (typeof value === 'number' && value >= 0 && value <= MOST) return;
  throw new TenureUsageError(`${name} = ${value}: wants a number from 0 to ${MOST}.`);
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function plural(count: number, word: string): string {
  if (count === 1) return `1 ${word}`;
  return `${count} ${word.endsWith('s') ? `${word}es` : `${word}s`}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
