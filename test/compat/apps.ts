import { cp, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSTALL_QUIETLY, OFFLINE, schema } from '../package/app.js';
import { packedPackages, run } from '../package/packed.js';
import type { Runtime } from './runtimes.js';
import { SCRIPTS } from './scripts.js';

/** Versions of what an app has beside Tenure. */
const BASE = {
  knex: '3.3.0',
  pg: '8.23.1',
  prisma: '7.10.0',
  'adapter-pg': '7.10.0',
} as const;

export interface Versions extends Partial<Record<keyof typeof BASE, string>> {
  /** The version of a second copy of `pg`, for Tenure alone. npm nests one when versions do not agree. */
  readonly 'pg-of-tenure'?: string;
}

/** An app with these versions, and what its scripts print. */
export interface CompatApp {
  /** `ok`, or what went wrong, for each script. */
  try(runtime: Runtime, databaseUrl: string, scripts: readonly string[]): Promise<string[]>;
}

/** @param client the folder of a Prisma client that was generated before */
export async function installApp(below: string, name: string, versions: Versions, client?: string): Promise<CompatApp> {
  const folder = join(below, name);
  await mkdir(join(folder, 'prisma'), { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', private: true }));
  await writeFile(join(folder, 'prisma/schema.prisma'), schema('prisma-client-js'));
  for (const [file, text] of Object.entries(SCRIPTS)) await writeFile(join(folder, file), text);
  const { knex, pg, prisma, 'adapter-pg': adapter, 'pg-of-tenure': second } = { ...BASE, ...versions };
  const others = [`knex@${knex}`, `pg@${pg}`, `@prisma/client@${prisma}`, `@prisma/adapter-pg@${adapter}`];
  if (second) others.push(`pg-of-tenure@npm:pg@${second}`);
  const ours = (await packedPackages()).filter(({ name }) => /core|knex|prisma/.test(name));
  await run('npm', ['install', ...INSTALL_QUIETLY, ...ours.map(({ tarball }) => tarball), ...others], folder);
  const modules = join(folder, 'node_modules');
  if (second) {
    await mkdir(join(modules, '@tenure/core/node_modules'), { recursive: true });
    await rename(join(modules, 'pg-of-tenure'), join(modules, '@tenure/core/node_modules/pg'));
  }
  if (client) await cp(client, join(folder, 'generated'), { recursive: true });
  else await run('prisma', ['generate'], folder, OFFLINE);
  return {
    async try({ program, args }, databaseUrl, scripts) {
      const results: string[] = [];
      for (const script of scripts) results.push(await outcome(program, [...args, script], folder, databaseUrl));
      return results;
    },
  };
}

async function outcome(program: string, args: string[], folder: string, databaseUrl: string): Promise<string> {
  try {
    const printed = await run(program, args, folder, { DATABASE_URL: databaseUrl }, { timeout: 60_000 });
    return printed.trim() === 'ok' ? 'ok' : `it printed ${printed.trim()}`;
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    return lines.find((line) => /^\s*(\w*Error|error)\b/.test(line))?.trim() ?? lines.slice(0, 2).join(' ');
  }
}
