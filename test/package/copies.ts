/** An app that has Tenure as an ES module here, and as CommonJS there. Prints the owners of each pool, and what was opened. */
export const BOTH_KINDS = `
import { createRequire } from 'node:module';
import * as esm from '@tenure/core/pg';
const cjs = createRequire(import.meta.url)('@tenure/core/pg');

process.removeAllListeners('warning');
const settings = { connectionString: process.env.DATABASE_URL, application_name: 'both kinds', max: 1, connectionTimeoutMillis: 300 };
const pools = [new esm.Pool(settings), new cjs.Pool({ ...settings })];
for (const pool of pools) await pool.query("set work_mem = '9MB'");
const client = await pools[0].connect();
const late = await pools[1].connect().catch((error) => error);
client.release();
const { rows } = await pools[0].query('show work_mem');
await pools[0].end();
await pools[1].query('select 1');
console.log(esm.Pool === cjs.Pool, late.code, pools[1].stats().opened, rows[0].work_mem, pools[1].stats().owners);
await pools[1].end();
`;

/**
 * What Jest does to modules: each test file has globals of its own and its own copy of every module but Node's; with `resetModules` a file
 * gets fresh copies within the same globals. Prints the owners of the last pool that each made.
 */
export const TEST_FILES = `
import { readFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction, createContext } from 'node:vm';

const outside = createRequire(import.meta.url);
const isBuiltin = (name) => name.startsWith('node:') || builtinModules.includes(name);
const GLOBALS = ['process', 'Buffer', 'console', 'performance', 'queueMicrotask', 'AbortController', 'AbortSignal', 'URL', 'URLSearchParams'];
const TIMERS = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'];
const OTHERS = ['TextEncoder', 'TextDecoder', 'crypto', 'Uint8Array'];

class TestFile {
  context = createContext(Object.fromEntries([...GLOBALS, ...TIMERS, ...OTHERS].map((name) => [name, globalThis[name]])));
  modules = new Map();

  constructor() {
    this.context.global = this.context;
  }

  /** Forgets the modules of these folders. */
  resetModules(isForgotten = () => true) {
    for (const file of this.modules.keys()) if (isForgotten(file)) this.modules.delete(file);
  }

  require(name, from = import.meta.url) {
    if (isBuiltin(name)) return outside(name);
    const file = createRequire(from).resolve(name);
    const known = this.modules.get(file);
    if (known) return known.exports;
    const module = { exports: {} };
    this.modules.set(file, module);
    const source = readFileSync(file, 'utf8');
    if (file.endsWith('.json')) return (module.exports = JSON.parse(source));
    const names = ['module', 'exports', 'require', '__filename', '__dirname'];
    const run = compileFunction(source, names, { parsingContext: this.context, filename: file });
    run.call(module.exports, module, module.exports, (other) => this.require(other, file), file, dirname(file));
    return module.exports;
  }
}

process.removeAllListeners('warning');
const pools = [];
async function owners(file) {
  const { Pool } = file.require('@tenure/core/pg');
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, application_name: 'test files' });
  pools.push(pool);
  await pool.query('select 1');
  return pool.stats().owners;
}

const [one, other] = [new TestFile(), new TestFile()];
const seen = [await owners(one), await owners(one), await owners(other)];
one.resetModules((file) => file.includes('/core/dist/'));
seen.push(await owners(one));
one.resetModules();
seen.push(await owners(one));
console.log(seen.join());
for (const pool of pools) await pool.end();
`;
