import type { CheckLevel } from '../lifecycle/freshness.js';
import { afterTwoTurns } from './clock.js';
import type { Connector, ResetMode, ResetResult } from './connector.js';
import type { Context } from './context.js';
import { NoSlotError } from './slotLocks.js';
import { type PendingChecks, withinLimit } from './timeLimit.js';

/** A check found that a connection cannot be used. */
class CheckFailedError extends Error {
  override name = 'CheckFailedError';
}

/** The app's own check refused the connection. This shows nothing about other connections. */
export class CheckRefusedError extends Error {
  override name = 'CheckRefusedError';

  constructor() {
    super('`validate` returned false');
  }
}

/** The server takes no writes, and the policy, or a write that failed, requires one that does. */
export class ReadOnlyServerError extends Error {
  override name = 'ReadOnlyServerError';

  constructor() {
    super('the server takes no writes');
  }
}

/** What happens to a connection while it is being opened, and for the rest of its life. */
export interface ConnectListener<C> {
  onLost(cause?: Error): void;
  onReadOnly(): void;
  /** Closes a connection that was opened and will not be in the pool. */
  closeUnused(connection: C, reason: 'read-only' | 'failed-check' | 'discarded' | 'budget'): Promise<void>;
  /** Takes the connection's slot of a budget, before any caller gets the connection. Absent without a budget. */
  readonly setUp: ((connection: C, signal: AbortSignal) => Promise<void>) | undefined;
}

/**
 * Opens a connection within `connectTimeoutMs`, unless it is cancelled before. A connection that comes later is closed. So is one
 * whose server takes no writes, if the policy requires that.
 */
export async function connectOne<C extends object>(
  { connector, runtime, policy }: Context<C>,
  cancelled: AbortSignal,
  { onLost, onReadOnly, closeUnused, setUp }: ConnectListener<C>,
): Promise<C> {
  let connecting: Promise<C> | undefined;
  let opened: C | undefined;
  try {
    const limit = { what: 'Connecting', ms: policy.connectTimeoutMs, cancelled };
    return await withinLimit(runtime, limit, async (signal) => {
      connecting = connector.connect(signal, onLost, onReadOnly);
      opened = await connecting;
      await setUp?.(opened, signal);
      if (policy.writable) await askForWrites(connector, opened, signal);
      return opened;
    });
  } catch (error) {
    // The connection takes one of the server's slots until it is gone.
    if (opened && error instanceof ReadOnlyServerError) await closeUnused(opened, 'read-only');
    else if (opened && error instanceof NoSlotError) await closeUnused(opened, 'budget');
    else if (opened && !cancelled.aborted) void closeUnused(opened, 'failed-check');
    else connecting?.then((late) => closeUnused(late, 'discarded')).catch(ignore);
    throw error;
  }
}

async function askForWrites<C extends object>(connector: Connector<C>, connection: C, signal: AbortSignal) {
  if ((await connector.isWritable?.(connection, signal)) === false) throw new ReadOnlyServerError();
}

/** How a connection is to be checked. */
export interface Check<C> {
  readonly level: CheckLevel;
  /** Whether the round trip also queries if the server takes writes. */
  readonly forWrites: boolean;
  /** A query of the pool's own in the place of a ping. */
  readonly question?: ((connection: C, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Checks a connection at the given level; rejects when it cannot be used. */
export async function checkOne<C extends object>(
  { connector, runtime }: Context<C>,
  checks: PendingChecks<C>,
  connection: C,
  { level, forWrites, question }: Check<C>,
): Promise<void> {
  await new Promise<void>((resolve) => afterTwoTurns(runtime, resolve));
  if (connector.isOpen?.(connection) === false) throw new CheckFailedError('the connection had been closed');
  const { ping, validate } = connector;
  if (level === 'ping' && (question ?? ping)) {
    const sentAt = runtime.now();
    await checks.run('A check', connection, async (signal) => {
      if (question) return question(connection, signal);
      return forWrites && connector.isWritable
        ? askForWrites(connector, connection, signal)
        : ping?.call(connector, connection, signal);
    });
    checks.pinged(sentAt);
  }
  // The app's own check may do anything, and may not query the server at all.
  const isAccepted =
    !validate || (await checks.run('A check', connection, async () => validate.call(connector, connection)));
  if (!isAccepted) throw new CheckRefusedError();
}

/**
 * Makes a returned connection ready for its next holder.
 *
 * @param clean whether nothing was left on it: only a `session` reset is needed then
 */
export async function resetOne<C extends object>(
  { connector, runtime, policy }: Context<C>,
  checks: PendingChecks<C>,
  connection: C,
  clean: boolean,
): Promise<ResetResult<C>> {
  const { reset } = connector;
  if (reset === undefined)
    throw new CheckFailedError('the connector has no `reset`, so an unclean connection is closed');
  const found = { rolledBack: false, renewed: undefined as C | undefined };
  const run = async (mode: ResetMode, signal: AbortSignal) => {
    const { rolledBack, renewed } = await reset.call(connector, found.renewed ?? connection, mode, signal);
    found.rolledBack ||= rolledBack;
    found.renewed = renewed ?? found.renewed;
  };
  const what = 'Resetting a returned connection';
  const mode = policy.reset === 'none' ? 'settle' : 'rollback';
  if (!clean) {
    await connector.finish?.(connection);
    const isUnfinished = connector.transactionStatus?.(connection) === 'active';
    await checks.run(what, connection, (signal) => run(mode, signal), isUnfinished);
  }
  if (policy.reset === 'session') {
    // The app's own set-up runs again, which was part of a connect the first time.
    await withinLimit(runtime, { what, ms: policy.connectTimeoutMs }, (signal) => run('session', signal));
  }
  return found;
}

/** Closes a connection. If the server does not answer in time, its socket is destroyed. */
export async function closeOne<C extends object>(
  { connector, runtime, policy }: Context<C>,
  connection: C,
): Promise<void> {
  const limit = { what: 'Closing a connection', ms: policy.healthTimeoutMs };
  try {
    await withinLimit(runtime, limit, () => connector.close(connection));
  } catch {
    // The server notices a closed socket by itself.
    connector.abort?.(connection);
  }
}

/** Destroys a connection whose server would not read its close message. Returns at once and never throws: for the pool the connection is gone. */
export function dropOne<C extends object>(connector: Connector<C>, connection: C): void {
  const drop = async () => (connector.abort ? connector.abort(connection) : connector.close(connection));
  drop().catch(ignore);
}

function ignore(): void {}
