import { printed } from './printed.js';
import type { Script } from './scripts.js';

const QUICK_START = 'docs/quick-start.md';
const ENVIRONMENTS = 'docs/environments.md';

/** Packages that the snippets of docs/ need in addition to those of the README's. */
export const DOC_PACKAGES = ['drizzle-orm', 'kysely', 'typeorm'];

/** The snippets that docs/ prints, each with what shows that it works. */
export async function docScripts(): Promise<Script[]> {
  const [twoStacks] = await printed(QUICK_START, 'Two stacks on one database', 'js');
  const [lambda] = await printed(ENVIRONMENTS, 'Serverless', 'js');
  const [hotReload, onGlobal] = await printed(ENVIRONMENTS, 'Hot reload', 'js');
  const [cluster] = await printed(ENVIRONMENTS, 'Cluster', 'js');
  const [pm2] = await printed(ENVIRONMENTS, 'PM2', 'js');
  return [
    ...(await stacks()),
    {
      name: 'twoStacks',
      code: `process.env.REPORTS_MAX_CONNS = '3';\n${IMPORT_KNEX}${twoStacks}console.log(poolOf(db).stats().max);`,
      prints: '3',
    },
    { name: 'lambda', code: lambda + INVOKE_TWICE, prints: '{"name":"Ada"} {"name":"Bea"} 1' },
    { name: 'hotReload', code: evaluatedThirtyTimes(hotReload!), prints: '30 1' },
    { name: 'onGlobal', code: `${onGlobal}console.log(globalThis.pool === pool);`, prints: 'true' },
    { name: 'pm2', code: `const module = {};\n${pm2}console.log(module.exports.apps[0].env);`, prints: PM2_ENV },
    { name: 'cluster', code: cluster + LIMITS_OF_WORKERS, prints: '5 5 5 5 5 5 5 5' },
  ];
}

/** A query through each stack, and how many connections that took. */
async function stacks(): Promise<Script[]> {
  const stack = async (heading: string, query: string, pool: string, prints = '1') => {
    const [code] = await printed(QUICK_START, heading, 'js');
    const name = `quickStart${heading.replaceAll(/\W/g, '')}`;
    return { name, code: `${code}${query}\nconsole.log(${pool}.stats().opened);\n`, prints };
  };
  return [
    await stack('Knex', "await db.raw('select 1');", 'poolOf(db)'),
    await stack('Prisma', 'await prisma.user.count();', 'prisma.$pool'),
    await stack('`pg`', "await pool.query('select 1');", 'pool'),
    await stack('Drizzle', "await db.execute('select 1');", 'pool'),
    await stack('Kysely', "await db.selectFrom('User').select('id').execute();", 'pool'),
    await stack('TypeORM', "await source.query('select 1');", 'source.driver.master'),
  ];
}

const PM2_ENV = "{ MAX_CONNS: '5', CONN_MAX_AGE: '600' }";

const IMPORT_KNEX = `import knex from 'knex';\nimport { poolOf, tenure } from '@tenure/knex';\n`;

const INVOKE_TWICE = `
const answers = [await handler({ name: 'Ada' }), await handler({ name: 'Bea' })];
console.log(...answers.map(({ body }) => body), pool.stats().opened);
`;

/** A module that queries once it is evaluated: how many pools it leaves, and how many connections. */
const evaluatedThirtyTimes = (module: string) => `
import { writeFile } from 'node:fs/promises';
process.env.PGAPPNAME = 'hot reload';
await writeFile(new URL('reloaded.js', import.meta.url), ${JSON.stringify(module)});
let last;
for (let n = 0; n < 30; n++) {
  ({ pool: last } = await import('./reloaded.js?v=' + n));
  await last.query('select 1');
}
const { rows } = await last.query("select count(*)::int as held from pg_stat_activity where application_name = 'hot reload'");
console.log(last.stats().owners, rows[0].held);
`;

const LIMITS_OF_WORKERS = `
if (cluster.isPrimary) {
  const limits = [];
  cluster.on('message', (_, limit) => limits.push(limit));
  process.on('exit', () => console.log(limits.join(' ')));
}
`;
