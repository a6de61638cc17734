/** What both test files begin with: pools of one target and the same settings, none of which is ever ended. */
const POOLS = `
const settings = { connectionString: process.env.DATABASE_URL, application_name: 'jest' };
async function owners() {
  const { Pool } = require('@tenure/core/pg');
  const pool = new Pool({ ...settings });
  await pool.query('select 1');
  return pool.stats().owners;
}
beforeEach(() => void jest.spyOn(process, 'emitWarning').mockImplementation(() => {}));

test('pools of one test file are one', async () => {
  expect([await owners(), await owners()]).toEqual([1, 2]);
});
`;

/** Test files for Jest, which gives each of them globals of its own, and its own copy of every module. */
export const JEST_FILES: Readonly<Record<string, string>> = {
  'jest/one.test.js': POOLS,
  'jest/other.test.js': `${POOLS}
test('a fresh copy of Tenure shares with the one before, as long as pg is the same', async () => {
  const pg = require('pg');
  jest.resetModules();
  jest.doMock('pg', () => pg);
  expect(await owners()).toBe(3);
});

test('a fresh copy of pg has a pool of its own', async () => {
  jest.resetModules();
  jest.dontMock('pg');
  expect(await owners()).toBe(1);
});
`,
};
