import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdleStack } from '../../../packages/core/src/pool/connections.js';
import { Census, Slot } from '../../../packages/core/src/pool/entry.js';

function slotSince(idleSince: number): Slot<object> {
  const slot = new Slot<object>(new Census(), 0, 0);
  slot.idleSince = idleSince;
  return slot;
}

describe('the stack of idle connections', () => {
  it('has the last returned on top, in whatever order connections join and leave', () => {
    const move = fc.oneof(
      fc.record({ add: fc.nat(20) }),
      fc.record({ remove: fc.nat(20) }),
      fc.constant('pop' as const),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        const stack = new IdleStack<object>();
        let model: Slot<object>[] = [];
        for (const move of moves) {
          if (move === 'pop') {
            if (stack.top) stack.pop();
            model.pop();
          } else if ('add' in move) {
            const slot = slotSince(move.add);
            stack.add(slot);
            // Of equals the one that came last is the hotter one.
            model = [
              ...model.filter((one) => one.idleSince <= move.add),
              slot,
              ...model.filter((one) => one.idleSince > move.add),
            ];
          } else {
            const slot = model[move.remove] ?? slotSince(0);
            stack.remove(slot);
            model = model.filter((one) => one !== slot);
          }
          expect(stack.coldestFirst()).toEqual(model);
          expect(stack.top).toBe(model.at(-1));
          expect(stack.length).toBe(model.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives out a copy, which does not change while connections leave', () => {
    const stack = new IdleStack<object>();
    const slots = [1, 2, 3].map(slotSince);
    for (const slot of slots) stack.add(slot);
    const copy = stack.coldestFirst();
    stack.pop();
    expect(copy).toEqual(slots);
  });
});
