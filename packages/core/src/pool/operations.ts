import type { Freshness } from '../lifecycle/freshness.js';
import { afterTwoTurns } from './clock.js';
import type { Connector, ResetMode, ResetResult } from './connector.js';
import type { Context } from './context.js';
import { withinLimit } from './timeLimit.js';

/** A check found that a connection cannot serve. */
class CheckFailedError extends Error {
  override name = 'CheckFailedError';
}

/** The app's own check said no. That is no news about other connections. */
export class CheckRefusedError extends Error {
  override name = 'CheckRefusedError';

  constructor() {
    super('validate answered false');
  }
}

/** The server takes no writes, and the policy, or a write that failed, wants one that does. */
export class ReadOnlyServerError extends Error {
  override name = 'ReadOnlyServerError';

  constructor() {
    super('the server takes no writes');
  }
}

/** Opens a connection within `connectTimeoutMs`, unless it is given up before. One that arrives after that is dropped: nobody knows of it. */
export async function connectOne<C extends object>(
  context: Context<C>,
  cancelled: AbortSignal,
  onLost: (cause?: Error) => void,
  onReadOnly: () => void,
): Promise<C> {
  const { connector, runtime, policy } = context;
  let connecting: Promise<C> | undefined;
  try {
    const limit = { what: 'Connecting', ms: policy.connectTimeoutMs, cancelled };
    return await withinLimit(runtime, limit, async (signal) => {
      connecting = connector.connect(signal, onLost, onReadOnly);
      const connection = await connecting;
      if (policy.writable) await askForWrites(connector, connection, signal);
      return connection;
    });
  } catch (error) {
    // Of the server's slots it holds one until it is gone.
    if (error instanceof ReadOnlyServerError && connecting) await closeOne(context, await connecting);
    else connecting?.then((late) => dropOne(connector, late)).catch(() => {});
    throw error;
  }
}

async function askForWrites<C extends object>(connector: Connector<C>, connection: C, signal: AbortSignal) {
  if ((await connector.isWritable?.(connection, signal)) === false) throw new ReadOnlyServerError();
}

/** How a connection is to be checked. */
export interface Check<C> {
  readonly need: Freshness;
  /** Whether the round trip also asks if the server takes writes. */
  readonly forWrites: boolean;
  /** What to ask in the place of a ping. */
  readonly question?: ((connection: C, signal: AbortSignal) => Promise<void>) | undefined;
}

/** Checks a connection as thoroughly as its silence asks for; rejects when it cannot serve. */
export async function checkOne<C extends object>(
  { connector, runtime, questions }: Context<C>,
  connection: C,
  { need, forWrites, question }: Check<C>,
): Promise<void> {
  await new Promise<void>((resolve) => afterTwoTurns(runtime, resolve));
  if (connector.isOpen?.(connection) === false) throw new CheckFailedError('the connection had been closed');
  const { ping, validate } = connector;
  if (need === 'ask' && (question ?? ping)) {
    const askedAt = runtime.now();
    await questions.ask('A check', connection, async (signal) => {
      if (question) return question(connection, signal);
      return forWrites && connector.isWritable
        ? askForWrites(connector, connection, signal)
        : ping?.call(connector, connection, signal);
    });
    questions.checked(askedAt);
  }
  // What the app's own check asks, and whether it asks the server at all, cannot be told.
  const isAccepted =
    !validate || (await questions.ask('A check', connection, async () => validate.call(connector, connection)));
  if (!isAccepted) throw new CheckRefusedError();
}

/** Makes a returned connection ready for its next borrower. */
export async function tidyOne<C extends object>(
  { connector, runtime, policy, questions }: Context<C>,
  connection: C,
  clean: boolean,
): Promise<ResetResult<C>> {
  const { reset } = connector;
  if (reset === undefined) throw new CheckFailedError('the driver cannot tell whether it is still usable');
  const found = { rolledBack: false, renewed: undefined as C | undefined };
  const run = async (mode: ResetMode, signal: AbortSignal) => {
    const { rolledBack, renewed } = await reset.call(connector, found.renewed ?? connection, mode, signal);
    found.rolledBack ||= rolledBack;
    found.renewed = renewed ?? found.renewed;
  };
  const what = 'Tidying up a returned connection';
  const mode = policy.reset === 'none' ? 'settle' : 'rollback';
  if (!clean) {
    await connector.finish?.(connection);
    const isUnfinished = connector.transactionStatus?.(connection) === 'active';
    await questions.ask(what, connection, (signal) => run(mode, signal), isUnfinished);
  }
  if (policy.reset === 'session') {
    // The app's own set-up runs again, which took part of a connect the first time.
    await withinLimit(runtime, { what, ms: policy.connectTimeoutMs }, (signal) => run('session', signal));
  }
  return found;
}

/** Says goodbye; a server that does not answer in time is hung up on. */
export async function closeOne<C extends object>(
  { connector, runtime, policy }: Context<C>,
  connection: C,
): Promise<void> {
  const limit = { what: 'Closing a connection', ms: policy.healthTimeoutMs };
  try {
    await withinLimit(runtime, limit, () => connector.close(connection));
  } catch {
    // What cannot be closed is dropped: the server notices by itself.
    connector.abort?.(connection);
  }
}

/** Ends a connection that no goodbye would reach. Returns at once, and whatever the driver makes of it, the connection is gone for us. */
export function dropOne<C extends object>(connector: Connector<C>, connection: C): void {
  const drop = async () => (connector.abort ? connector.abort(connection) : connector.close(connection));
  drop().catch(() => {});
}
