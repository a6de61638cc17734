import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Setting } from './report.js';

const PEERS = ['@prisma/adapter-pg', '@prisma/client', 'generic-pool', 'knex', 'pg', 'pg-pool', 'postgres', 'tarn'];
const MODULES = new URL('../../node_modules/', import.meta.url);

/** Where and when a benchmark runs. */
export async function settingOf(command: string): Promise<Setting> {
  const versions = await Promise.all(PEERS.map(async (name) => [name, await versionOf(name)] as const));
  return {
    command,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${platform()} ${arch()}`,
    commit: await commitOf(),
    versions: { Node: process.versions.node, ...Object.fromEntries(versions) },
  };
}

/** For people: one line for where, one for the versions. */
export function settingLines({ date, processor, cores, memory, system, commit, versions }: Setting): string[] {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${date} UTC, Tenure at ${commit}, ${cores} × ${processor}, ${memory}, ${system}`, `${named.join(', ')}`];
}

async function versionOf(name: string): Promise<string> {
  const text = await readFile(new URL(`${name}/package.json`, MODULES), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

async function commitOf(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('git', ['describe', '--always', '--dirty'], {
      cwd: import.meta.dirname,
    });
    return stdout.trim();
  } catch {
    return 'an unknown commit';
  }
}
