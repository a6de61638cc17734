import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdleList } from '../../../packages/core/src/pool/connections.js';
import { Counts, PoolEntry } from '../../../packages/core/src/pool/entry.js';

function entrySince(idleSince: number): PoolEntry<object> {
  const entry = new PoolEntry<object>(new Counts(), 1, 0, 0);
  entry.idleSince = idleSince;
  return entry;
}

describe('the list of idle connections', () => {
  it('has the last returned on top, in whatever order connections join and leave', () => {
    const move = fc.oneof(
      fc.record({ add: fc.nat(20) }),
      fc.record({ remove: fc.nat(20) }),
      fc.constant('pop' as const),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
        const list = new IdleList<object>();
        let model: PoolEntry<object>[] = [];
        for (const move of moves) {
          if (move === 'pop') {
            if (list.top) list.pop();
            model.pop();
          } else if ('add' in move) {
            const entry = entrySince(move.add);
            list.add(entry);
            // Of two equals the one that came last is on top.
            model = [
              ...model.filter((one) => one.idleSince <= move.add),
              entry,
              ...model.filter((one) => one.idleSince > move.add),
            ];
          } else {
            const entry = model[move.remove] ?? entrySince(0);
            list.remove(entry);
            model = model.filter((one) => one !== entry);
          }
          expect(list.coldestFirst()).toEqual(model);
          expect(list.top).toBe(model.at(-1));
          expect(list.length).toBe(model.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives out a copy, which does not change while connections leave', () => {
    const list = new IdleList<object>();
    const entries = [1, 2, 3].map(entrySince);
    for (const entry of entries) list.add(entry);
    const copy = list.coldestFirst();
    list.pop();
    expect(copy).toEqual(entries);
  });
});
