import fc from 'fast-check';
import type { SessionStatus } from '../../../packages/core/src/errors.js';
import type { Outcome } from '../../support/fakeConnector.js';
import type { ConnectOutcome } from './modelServer.js';
import type { World } from './world.js';

const WHAT_EVENTS = ['opening', 'opened', 'openFailed', 'closing', 'closed', 'rollback'] as const;

/** Something that happens to a pool. Plain data, so that a failing run can be shrunk and read. */
export type Command =
  | { readonly do: 'acquire'; readonly timeoutMs: number | undefined; readonly mayAbort: boolean }
  | { readonly do: 'use'; readonly holdMs: number; readonly fails: boolean }
  | { readonly do: 'release'; readonly which: number; readonly fails: boolean; readonly twice: boolean }
  | { readonly do: 'work'; readonly which: number; readonly status: SessionStatus }
  | { readonly do: 'abort'; readonly which: number }
  | { readonly do: 'lose'; readonly which: number; readonly silently: boolean }
  | { readonly do: 'refuseWrite'; readonly which: number }
  | { readonly do: 'pass' | 'block'; readonly ms: number }
  | { readonly do: 'jump'; readonly ms: number }
  | { readonly do: 'connects'; readonly as: ConnectOutcome }
  | { readonly do: 'pings' | 'resets' | 'closes' | 'probes'; readonly as: Outcome }
  | { readonly do: 'resize'; readonly max: number; readonly reuse: number; readonly min: number }
  | { readonly do: 'invalidate' }
  | { readonly do: 'drain'; readonly timeoutMs: number | undefined }
  | { readonly do: 'when'; readonly event: (typeof WHAT_EVENTS)[number]; readonly act: Command };

/** A command, and how much of the event loop runs before the next: all of it, or this many microtasks. */
export interface Step {
  readonly command: Command;
  readonly ticks: number | 'all';
}

const which = fc.nat(7);
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Outcome>({}) },
  { weight: 3, arbitrary: fc.record({ afterMs: fc.constantFrom(3, 90, 150, 1_500) }) },
  { weight: 3, arbitrary: fc.record({ afterMs: fc.constantFrom(0, 50), error: fc.constant(new Error('it failed')) }) },
  { weight: 1, arbitrary: fc.constant<Outcome>('never') },
);
const connectOutcome: fc.Arbitrary<ConnectOutcome> = fc.record({
  afterMs: fc.constantFrom(0, 0, 20, 700, 2_500),
  ends: fc.constantFrom('ok', 'ok', 'ok', 'ok', 'lost', 'never', 'transient', 'transient', 'permanent', 'full'),
});

/** Commands that may also happen within an event. */
const actions: fc.WeightedArbitrary<Command>[] = [
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('acquire'),
      timeoutMs: fc.constantFrom(undefined, undefined, undefined, 0, 30, 600, Number.POSITIVE_INFINITY),
      mayAbort: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('release'),
      which,
      fails: fc.constantFrom(false, false, false, true),
      twice: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort'), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('lose'), which, silently: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuseWrite'), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize'),
      max: fc.integer({ min: 1, max: 5 }),
      reuse: fc.nat(5),
      min: fc.nat(2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('invalidate') }) },
];
const drain: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('drain'),
  timeoutMs: fc.constantFrom(undefined, 0, 300),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  ...actions,
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('use'), holdMs: fc.constantFrom(0, 4, 200), fails: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('work'),
      which,
      status: fc.constantFrom<SessionStatus>('idle', 'active', 'transaction', 'failed-transaction', 'unknown'),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 6, 50, 100, 400, 600, 1_000, 4_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(11_000, 30_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('block'), ms: fc.constantFrom(5, 500, 1_100, 5_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('jump'), ms: fc.constantFrom(700, 20_000, -3_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('connects'), as: connectOutcome }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('pings', 'resets', 'closes', 'probes'), as: outcome }) },
  { weight: 1, arbitrary: drain },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('when'),
      event: fc.constantFrom(...WHAT_EVENTS),
      act: fc.oneof(...actions, { weight: 2, arbitrary: drain }),
    }),
  },
);

export const step: fc.Arbitrary<Step> = fc.record({
  command,
  ticks: fc.oneof({ weight: 3, arbitrary: fc.constant<'all'>('all') }, { weight: 1, arbitrary: fc.nat(9) }),
});

/** Does it; what takes time has passed when the promise resolves. */
export async function carryOut(command: Command, world: World): Promise<void> {
  if (command.do === 'pass') await world.runtime.advance(command.ms);
  else if (command.do === 'block') await world.block(command.ms);
  else carryOutNow(command, world);
}

function carryOutNow(command: Command, world: World): void {
  const { server, pool } = world;
  switch (command.do) {
    case 'acquire':
      return world.acquire(command.timeoutMs, command.mayAbort);
    case 'use':
      return world.use(command.holdMs, command.fails);
    case 'release':
      return world.release(command.which, command.fails ? new Error('a query failed') : undefined, command.twice);
    case 'work':
      return world.work(command.which, command.status);
    case 'abort':
      return world.abort(command.which);
    case 'lose':
      return world.lose(command.which, command.silently);
    case 'refuseWrite':
      return world.refuseWrite(command.which);
    case 'jump':
      return world.jump(command.ms);
    case 'connects':
      server.connectsAs = command.as;
      return;
    case 'pings':
      server.pinging = () => command.as;
      return;
    case 'resets':
      server.resetting = () => command.as;
      return;
    case 'probes':
      server.probing = () => command.as;
      return;
    case 'closes':
      server.closing = () => command.as;
      return;
    case 'resize': {
      const reuseConnections = Math.min(command.reuse, command.max);
      const minConnections = Math.min(command.min, reuseConnections);
      return pool.resize({ maxConnections: command.max, reuseConnections, minConnections });
    }
    case 'invalidate':
      return world.invalidate();
    case 'drain':
      return void world.drain(command.timeoutMs);
    case 'when':
      return world.once(command.event, () => carryOutNow(command.act, world));
  }
}
