/** The beginning of both test files: pools that are made at one place again and again, and never ended. */
const POOLS = `
const settings = { connectionString: process.env.DATABASE_URL, application_name: 'jest' };
async function owners(count, prepare = () => {}) {
  const seen = [];
  for (let n = 0; n < count; n++) {
    prepare();
    const { Pool } = require('@tenure/core/pg');
    const pool = new Pool({ ...settings });
    await pool.query('select 1');
    seen.push(pool.stats().owners);
  }
  return seen;
}

test('pools of one place in a test file share a limit', async () => {
  expect(await owners(2)).toEqual([1, 2]);
});
`;

/** Test files for Jest, which gives each of them globals of its own, and its own copy of every module. */
export const JEST_FILES: Readonly<Record<string, string>> = {
  'jest/one.test.js': POOLS,
  'jest/other.test.js': `${POOLS}
test('so do those of fresh copies of Tenure', async () => {
  const pg = require('pg');
  const freshTenure = () => {
    jest.resetModules();
    jest.doMock('pg', () => pg);
  };
  expect(await owners(3, freshTenure)).toEqual([1, 2, 3]);
  jest.dontMock('pg');
});

test('and of pg', async () => {
  expect(await owners(3, () => jest.resetModules())).toEqual([1, 2, 3]);
});
`,
};
