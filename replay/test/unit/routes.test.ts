import { expect, test } from 'vitest';
import { CONTENDERS, contenderOf } from '../../src/contenders/catalogue.js';
import { byRoute } from '../../src/contenders/routes.js';
import { PAIRS } from '../../src/figures/ratio.js';

test('contenders are grouped by route; a route without any is left out', () => {
  const groups = byRoute(CONTENDERS, ({ route }) => route);
  expect(groups.map(([route, members]) => [route, members.length])).toEqual([
    ['orders', 6],
    ['deployment', 2],
    ['sign-ups', 3],
  ]);
  expect(byRoute([contenderOf('prisma')], ({ route }) => route)).toHaveLength(1);
});

test.each(Object.entries(PAIRS))(
  'on %s the same code with and without Tenure is compared',
  (route, { ours, theirs }) => {
    expect(contenderOf(ours)).toMatchObject({ route, isTenure: true });
    expect(contenderOf(theirs)).toMatchObject({ route, isTenure: false });
  },
);
