import { printed } from './printed.js';

/** A script that an application runs: code as it is printed, and what shows that it works. */
export interface Script {
  name: string;
  code: string;
  /** Its output at the end. */
  prints: string;
}

const README = 'README.md';
const OBSERVABILITY = 'docs/observability.md';
const CORE_README = 'packages/core/README.md';
const KNEX_README = 'packages/knex-plugin/README.md';
const INSPECTOR_README = 'packages/inspector/README.md';
const OTEL_README = 'packages/otel/README.md';
const PRISMA_README = 'packages/prisma-extension/README.md';

const ASK_KNEX = `
const [{ sum }] = await db.select(db.raw('1 + 1 as sum'));
await db.destroy();
console.log(sum);`;

/** The same e-mail again and again: each error costs stock Prisma a connection. */
const ASK_PRISMA = `
const email = 'ada@example.org';
for (let i = 0; i < 3; i++) await prisma.user.create({ data: { email } }).catch((error) => error.code);
const found = await prisma.user.findUnique({ where: { email } });
const { opened } = prisma.$pool.stats();
await prisma.$disconnect();
console.log(found?.email, opened);`;

const ASK_POOL = `
const { rows } = await pool.query('select 1 + 1 as sum');
await pool.end();
console.log(rows[0].sum);`;

/** A pool of another entry point of the core, and of CommonJS where this is ESM, is on the page as well. */
const ASK_PAGE = `
const { Pool } = (await import('node:module')).createRequire(import.meta.url)('@tenure/core/pg');
const pool = new Pool({ connectionString: process.env.DATABASE_URL, policy: { name: 'seen' } });
if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
const url = 'http://localhost:' + server.address().port;
const [, title] = /<title>(.*)<\\/title>/.exec(await (await fetch(url)).text());
const { pools } = await (await fetch(url + '/?since=')).json();
server.close().closeAllConnections();
await pool.end();
console.log(pools.map(({ name }) => name).join(), title);`;

/** The README's, and that of docs/observability.md, which builds on them. */
export async function readmeScripts(): Promise<Script[]> {
  const [knex] = await printed(README, 'Knex', 'js');
  const [prisma] = await printed(README, 'Prisma', 'js');
  const [pool] = await printed(README, '`pg.Pool`', 'js');
  const [seeing] = await printed(OBSERVABILITY, 'Figures and events', 'js');
  return [
    { name: 'knex', code: knex + ASK_KNEX, prints: '2' },
    { name: 'prisma', code: prisma + ASK_PRISMA, prints: 'ada@example.org 1' },
    { name: 'pool', code: pool + ASK_POOL, prints: '2' },
    { name: 'seeing', code: `const log = () => {};\n${knex}${seeing}${ASK_KNEX}`, prints: '2' },
  ];
}

/** Those of the packages' own READMEs, which build on one another. */
export async function packageScripts(): Promise<Script[]> {
  const [corePool] = await printed(CORE_README, 'A drop-in `pg.Pool`', 'js');
  const [engine] = await printed(CORE_README, 'The engine, over `pg` or any other driver', 'js');
  const [knex, withPolicy] = await printed(KNEX_README, '@tenure/knex', 'js');
  const [prisma, prismaWithPolicy] = await printed(PRISMA_README, '@tenure/prisma', 'ts');
  const [pool] = await printed(PRISMA_README, 'The pool', 'ts');
  const [adapter] = await printed(PRISMA_README, "Without Prisma's internals", 'ts');
  const [inspectorPage] = await printed(INSPECTOR_README, '@tenure/inspector', 'js');
  const [otel] = await printed(OTEL_README, '@tenure/otel', 'js');
  const imports = (code = '') => code.match(/^import .+$/gm)!.join('\n');
  const config = "const config = { client: 'pg', connection: process.env.DATABASE_URL };";
  const stockAdapter = 'const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL });';
  const client = "import { PrismaClient } from './generated/prisma/client.js';";
  const askAdapter = `
await prisma.user.count();
const { opened } = adapter.pool.stats();
await prisma.$disconnect();
console.log(opened);`;
  return [
    { name: 'pool', code: corePool + ASK_POOL, prints: '2' },
    { name: 'otel', code: `${corePool}${otel}${ASK_POOL}\nstop();`, prints: '2' },
    { name: 'engine', code: `${engine}console.log(pool.stats().acquired);`, prints: '2' },
    { name: 'knex', code: knex + ASK_KNEX, prints: '2' },
    { name: 'knexWithPolicy', code: `${imports(knex)}\n${config}\n${withPolicy}${ASK_KNEX}`, prints: '2' },
    { name: 'prisma', code: prisma + ASK_PRISMA, prints: 'ada@example.org 1' },
    {
      name: 'prismaWithPolicy',
      code: `${imports(prisma)}\n${stockAdapter}\n${prismaWithPolicy}${ASK_PRISMA}`,
      prints: 'ada@example.org 1',
    },
    { name: 'prismaPool', code: `${prisma}${pool}console.log(prisma.$pool.current.ended);`, prints: 'true' },
    { name: 'inspector', code: inspectorPage + ASK_PAGE, prints: 'seen Tenure: connection pools' },
    { name: 'prismaAdapter', code: `${client}\n${adapter}${askAdapter}`, prints: '1' },
  ];
}
