import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Waiter, WaiterList } from '../../../packages/core/src/pool/waitQueue.js';

type Named = Waiter<object> & { readonly name: number };

function waiter(name: number, timeoutMs = Number.POSITIVE_INFINITY, unsubscribed: number[] = []): Named {
  return {
    name,
    since: 0,
    timeoutMs,
    isDefault: false,
    joins: undefined,
    resolve: () => {},
    reject: () => {},
    stack: undefined,
    unsubscribe: () => unsubscribed.push(name),
    next: undefined,
    previous: undefined,
    queued: false,
  };
}

type Move = { readonly add: number } | { readonly remove: number } | { readonly expire: number } | 'take';

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 50 }) }) },
  { weight: 2, arbitrary: fc.record({ remove: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.constant<Move>('take') },
  { weight: 1, arbitrary: fc.record({ expire: fc.nat(50) }) },
);

describe('the line', () => {
  it('does what an array would, whoever leaves it in whatever order', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const queue = new WaiterList<object>();
        const everyone: Named[] = [];
        const unsubscribed: number[] = [];
        let model: Named[] = [];
        const left = new Set<Named>();
        const leaves = (gone: readonly Named[]) => {
          model = model.filter((one) => !gone.includes(one));
          for (const one of gone) left.add(one);
        };
        for (const move of moves) {
          if (move === 'take') {
            const { oldest } = queue;
            if (oldest) queue.remove(oldest);
            leaves(model.slice(0, 1));
          } else if ('add' in move) {
            const one = waiter(everyone.length, move.add, unsubscribed);
            everyone.push(one);
            model.push(one);
            queue.add(one);
          } else if ('remove' in move) {
            const one = everyone[move.remove];
            if (one === undefined) continue;
            expect(queue.remove(one)).toBe(model.includes(one));
            leaves(model.filter((other) => other === one));
          } else {
            const expired = model.filter(({ timeoutMs }) => timeoutMs <= move.expire);
            expect(queue.takeExpired(move.expire)).toEqual(expired);
            leaves(expired);
          }
          expect(queue.length).toBe(model.length);
          expect(queue.oldest).toBe(model[0]);
          expect(queue.nextDeadline()).toBe(Math.min(...model.map(({ timeoutMs }) => timeoutMs)));
          expect([...unsubscribed].sort()).toEqual([...left].map(({ name }) => name).sort());
        }
        for (; model.length > 0; queue.remove(queue.oldest!)) expect(queue.oldest).toBe(model.shift());
        expect(queue.oldest).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it('has no deadline when nobody stands in it', () => {
    expect(new WaiterList().nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('keeps hold of nobody who has left', () => {
    const queue = new WaiterList<object>();
    const [first, second, third] = [waiter(1), waiter(2), waiter(3)];
    for (const one of [first, second, third]) queue.add(one);
    queue.remove(second);
    expect([second.next, second.previous]).toEqual([undefined, undefined]);
    expect([first.next, third.previous]).toEqual([third, first]);
  });
});
