import { join } from 'node:path';
import { type PostgresServer, startPostgres } from '../support/postgres.js';
import { TemporaryFolder } from '../support/temporaryFolder.js';
import { type CompatApp, installApp, type Versions } from './apps.js';
import { installRuntime, OWN, RUNTIMES, type Runtime } from './runtimes.js';
import { SCRIPTS } from './scripts.js';

/** `pnpm test:compat [name …]`: each version of each thing beside the base, and what each stack does there. Needs the packed packages. */

const VERSIONS: Readonly<Record<string, Versions>> = {
  'knex-3.1.0': { knex: '3.1.0' },
  'knex-3.2.10': { knex: '3.2.10' },
  'pg-8.21.0': { pg: '8.21.0' },
  'pg-8.22.0': { pg: '8.22.0' },
  'two-copies-of-pg': { 'pg-of-tenure': '8.22.0' },
  'adapter-pg-latest': { 'adapter-pg': '^7.10.0' },
};
const SERVERS = ['14', '15', '16', '17'];
const NAMES = [...Object.keys(RUNTIMES), ...Object.keys(VERSIONS), ...SERVERS.map((version) => `postgres-${version}`)];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !NAMES.includes(name));
if (unknown.length > 0) {
  console.error(`There is no ${unknown.join(', ')}. There is ${NAMES.join(', ')}; without a name, all of them.`);
  process.exit(2);
}
const wanted = (name: string) => asked.length === 0 || asked.includes(name);
const scripts = Object.keys(SCRIPTS);
let failures = 0;

await using temporary = await TemporaryFolder.make('test');
await using newest = await serverFor();
const base = await installApp(temporary.path, 'base', {});

console.log(`| with | ${scripts.join(' | ')} |\n| --- |${' --- |'.repeat(scripts.length)}`);
for (const name of Object.keys(RUNTIMES).filter(wanted)) {
  const runtime = await installRuntime(name, temporary.path);
  await row(runtime.title, base, runtime, newest);
}
for (const name of Object.keys(VERSIONS).filter(wanted)) {
  const client = join(temporary.path, 'base/generated');
  await row(name, await installApp(temporary.path, name, VERSIONS[name]!, client), OWN, newest);
}
for (const version of SERVERS.filter((version) => wanted(`postgres-${version}`))) {
  await using server = await serverFor(version);
  await row(`PostgreSQL ${version}`, base, OWN, server);
}
process.exitCode = failures > 0 ? 1 : 0;

async function serverFor(version?: string): Promise<PostgresServer> {
  const server = await startPostgres(version === undefined ? {} : { version });
  await server.admin('create table "User" (id serial primary key, email text unique not null)');
  await server.admin('alter table "User" owner to app; grant create on schema public to app');
  return server;
}

async function row(title: string, app: CompatApp, runtime: Runtime, server: PostgresServer): Promise<void> {
  const results = await app.try(runtime, server.url, scripts);
  failures += results.filter((result) => result !== 'ok').length;
  console.log(`| ${title} | ${results.map((result) => result.replaceAll('|', '/')).join(' | ')} |`);
}
