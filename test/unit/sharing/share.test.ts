import { beforeEach, describe, expect, it, vi } from 'vitest';
import { parsePolicy } from '../../../packages/core/src/policy/parsePolicy.js';
import type { PolicyOverrides } from '../../../packages/core/src/policy/policy.js';
import { Pool as Engine } from '../../../packages/core/src/pool/pool.js';
import { Share } from '../../../packages/core/src/postgres/sharing/share.js';
import { FakeConnector } from '../../support/fakeConnector.js';
import { FakeRuntime } from '../../support/fakeRuntime.js';

let tests = 0;
/** Settings that no other test has. */
const own = () => ({ test: ++tests });

/** A share in a pool of connections to nothing. They have nothing to be made like new, so that each stays with one owner here. */
function shareOf(settings: object | undefined, policy: PolicyOverrides = {}) {
  const checked = parsePolicy({}, policy);
  const runtime = new FakeRuntime();
  const made: Engine<never>[] = [];
  const share = new Share<never>({
    policy: checked,
    make: () => {
      const connector = new FakeConnector(runtime) as never;
      const engine = new Engine<never>(connector, checked, runtime);
      made.push(engine);
      return { connector, engine };
    },
    identity: () => settings && { target: { settings }, settings: { 'policy.name': checked.name } },
    mayShare: () => true,
    site: () => 'a place',
  });
  return { share, made, runtime };
}

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

describe('A share in a pool', () => {
  it('adds no promise to an acquire while nobody else has joined', () => {
    const { share, made } = shareOf(own());
    share.acquire().catch(() => {});
    const promise = Promise.resolve({} as never);
    vi.spyOn(made[0]!, 'acquire').mockReturnValue(promise);
    expect(share.acquire()).toBe(promise);
  });

  it('makes nothing before it is asked for something, and one pool at most', async () => {
    const { share, made } = shareOf(own());
    expect(made).toHaveLength(0);
    expect(share.stats()).toMatchObject({ owners: 1, opened: 0 });
    expect(share.connections()).toEqual([]);
    share.acquire().catch(() => {});
    expect(made).toHaveLength(1);
  });

  it('makes no pool when there is one to join', () => {
    const settings = own();
    const [one, other] = [shareOf(settings), shareOf(settings)];
    one.share.acquire().catch(() => {});
    other.share.acquire().catch(() => {});
    expect(other.made).toHaveLength(0);
    expect(one.made[0]!.figures.waiting).toBe(2);
    expect([one.share.stats().owners, other.share.waiting]).toEqual([2, 1]);
  });

  it('joins nobody when it cannot be told what it is', () => {
    const [one, other] = [shareOf(undefined), shareOf(undefined)];
    one.share.acquire().catch(() => {});
    other.share.acquire().catch(() => {});
    expect(other.made).toHaveLength(1);
  });

  it('joins nobody only to leave', async () => {
    const settings = own();
    const [one, other] = [shareOf(settings), shareOf(settings)];
    one.share.acquire().catch(() => {});
    await other.share.drain();
    expect(one.share.stats().owners).toBe(1);
    await expect(other.share.acquire()).rejects.toMatchObject({ code: 'TENURE_CLOSED' });
  });

  it('is not joined any more when its settings have changed since', () => {
    const settings = { ...own(), password: 'old' };
    const before = { ...settings };
    const one = shareOf(settings);
    one.share.acquire().catch(() => {});
    settings.password = 'new';
    const [late, later] = [shareOf(before), shareOf({ ...settings })];
    late.share.acquire().catch(() => {});
    later.share.acquire().catch(() => {});
    expect([late.made.length, later.made.length]).toEqual([1, 1]);
    expect(one.share.stats().owners).toBe(1);
  });

  it('tells its listeners, and one that throws keeps none of the others from hearing', async () => {
    const { share } = shareOf(own());
    const uncaught: unknown[] = [];
    const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) => {
      try {
        run();
      } catch (error) {
        uncaught.push(error);
      }
    });
    const heard = vi.fn();
    share.on('opening', () => {
      throw new Error('a mistake');
    });
    share.on('opening', heard);
    expect(share.tell('opening', [])).toBe(true);
    expect(share.tell('closed', [])).toBe(false);
    queue.mockRestore();
    expect(heard).toHaveBeenCalledTimes(1);
    expect(uncaught).toHaveLength(1);
  });
});
