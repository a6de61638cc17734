import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  autoLimit,
  levelOf,
  type MemberCount,
  shareToGive,
  shareToLend,
  shareToTake,
} from '../../../packages/core/src/fleet/shares.js';

const hungry = (...held: number[]): MemberCount[] => held.map((one, member) => ({ member, held: one, isHungry: true }));
const content = (member: number, held: number): MemberCount => ({ member, held, isHungry: false });
const given = (limit: number, members: readonly MemberCount[]) =>
  members.map(({ member }) => shareToGive(limit, members, member));

describe('levelOf', () => {
  it('is an equal part of the limit when all are hungry', () => {
    expect(levelOf(40, hungry(1, 39, 0))).toBeCloseTo(40 / 3);
  });

  it('leaves to the hungry what the others do not hold', () => {
    expect(levelOf(40, [content(1, 1), content(2, 2), { member: 3, held: 5, isHungry: true }])).toBe(37);
  });

  it('counts a member that is not hungry with no more than an equal part', () => {
    expect(levelOf(40, [content(1, 30), { member: 3, held: 5, isHungry: true }])).toBe(20);
  });

  it('has no end when nobody is hungry and all have what they want', () => {
    expect(levelOf(40, [content(1, 10), content(2, 30)])).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('shareToGive', () => {
  it('is nothing while nobody is hungry', () => {
    expect(given(40, [content(1, 30), content(2, 10)])).toEqual([0, 0]);
  });

  it('is nothing from a member that holds no more than its share', () => {
    expect(given(6, hungry(2, 2, 2))).toEqual([0, 0, 0]);
  });

  it('takes from the richest, until the hungry can have the whole part of a share', () => {
    expect(given(12, hungry(10, 2, 0))).toEqual([6, 0, 0]);
  });

  it('takes from members that are not hungry as well', () => {
    expect(given(40, [content(1, 39), { member: 2, held: 1, isHungry: true }])).toEqual([19, 0]);
  });

  it('counts what is free already', () => {
    expect(given(12, hungry(6, 2, 0))).toEqual([2, 0, 0]);
  });

  it('of equals takes from the one with the higher number first', () => {
    expect(given(9, hungry(4, 4, 1))).toEqual([1, 1, 0]);
    expect(given(10, hungry(5, 5, 0))).toEqual([1, 2, 0]);
  });

  it('brings all within one of each other: three that had everything, and nine that have one each', () => {
    const members = hungry(11, 10, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    const after = members.map(({ held, member }) => held - shareToGive(40, members, member));
    expect(Math.max(...after)).toBeLessThanOrEqual(4);
    expect(40 - after.reduce((sum, held) => sum + held)).toBe(18 + 1);
  });

  const fleets = fc.tuple(
    fc.integer({ min: 1, max: 60 }),
    fc.array(fc.record({ held: fc.integer({ min: 0, max: 20 }), isHungry: fc.boolean() }), { maxLength: 30 }),
  );
  const numbered = (fleet: readonly Omit<MemberCount, 'member'>[]) =>
    fleet.map((one, member): MemberCount => ({ ...one, member: (member * 7_919) % 30_011 }));

  it('never takes more than a member has above its share, and no more than the hungry can use', () => {
    fc.assert(
      fc.property(fleets, ([limit, fleet]) => {
        const members = numbered(fleet);
        const level = levelOf(limit, members);
        const gifts = given(limit, members);
        for (const [index, gift] of gifts.entries()) {
          expect(gift).toBeGreaterThanOrEqual(0);
          if (gift > 0) expect(members[index]!.held - gift).toBeGreaterThanOrEqual(Math.floor(level));
        }
        const usable = members
          .filter(({ isHungry }) => isHungry)
          .map(({ held }) => Math.max(0, Math.ceil(level) - held));
        expect(gifts.reduce((sum, gift) => sum + gift, 0)).toBeLessThanOrEqual(
          usable.reduce((sum, one) => sum + one, 0),
        );
      }),
    );
  });

  it('comes to rest: members that are always hungry give and take until all are within one, and then nothing moves', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 20 }),
        (limit, held) => {
          const scale = Math.min(1, limit / held.reduce((sum, one) => sum + one, 1));
          let members = hungry(...held.map((one) => Math.floor(one * scale)));
          const total = () => members.reduce((sum, one) => sum + one.held, 0);
          for (let round = 0; round < 4; round++) {
            const gifts = given(limit, members);
            members = members.map((one, index) => ({ ...one, held: one.held - gifts[index]! }));
            for (let took = true; took; ) {
              took = false;
              for (const { member } of [...members].sort((one, other) => one.held - other.held)) {
                if (total() >= limit || shareToTake(limit, members, member) === 0) continue;
                members = members.map((one) => (one.member === member ? { ...one, held: one.held + 1 } : one));
                took = true;
              }
            }
          }
          expect(given(limit, members).every((gift) => gift === 0)).toBe(true);
          const counts = members.map((one) => one.held);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });
});

describe('shareToTake', () => {
  it('is up to the rounded-up share, but only the whole part of it while a hungry member is poorer', () => {
    expect(shareToTake(10, hungry(3, 3, 3), 0)).toBe(1);
    expect(shareToTake(10, hungry(3, 3, 2), 0)).toBe(0);
    expect(shareToTake(10, hungry(3, 3, 2), 2)).toBe(2);
  });

  it('is what the others leave, for the only one that is hungry', () => {
    const members = [...hungry(5), ...Array.from({ length: 11 }, (_, index) => content(index + 1, 1))];
    expect(shareToTake(40, members, 0)).toBe(24);
  });

  it('is a share for a member that no census has counted yet', () => {
    expect(shareToTake(10, hungry(5, 5), 99)).toBe(5);
  });
});

describe('shareToLend', () => {
  it.each([
    [{ size: 5, idle: 5, peak: 0 }, 4],
    [{ size: 5, idle: 2, peak: 3 }, 2],
    [{ size: 5, idle: 1, peak: 2 }, 1],
    [{ size: 5, idle: 0, peak: 1 }, 0],
    [{ size: 1, idle: 1, peak: 0 }, 0],
    [{ size: 3, idle: 3, peak: 5 }, 0],
  ])('of %j is %d: one stays, and as many as were in use lately', (own, lent) => {
    expect(shareToLend(own)).toBe(lent);
  });
});

describe('autoLimit', () => {
  const server = {
    maxConnections: 100,
    reserved: 3,
    ofRole: Number.POSITIVE_INFINITY,
    ofDatabase: Number.POSITIVE_INFINITY,
  };

  it.each([
    [server, 77],
    [{ ...server, ofRole: 20 }, 20],
    [{ ...server, ofDatabase: 15, ofRole: 20 }, 15],
    [{ ...server, maxConnections: 5, reserved: 5 }, 1],
  ])('of %j is %d', (limits, budget) => {
    expect(autoLimit(limits)).toBe(budget);
  });
});
