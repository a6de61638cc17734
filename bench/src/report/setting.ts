import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Setting } from './report.js';

const PEERS = ['@prisma/adapter-pg', '@prisma/client', 'generic-pool', 'knex', 'pg', 'pg-pool', 'postgres', 'tarn'];
const MODULES = new URL('../../node_modules/', import.meta.url);

/** The machine, the time and the versions of this run. */
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

/** The setting in two lines for people: one for the machine, one for the versions. */
export function settingLines({ date, processor, cores, memory, system, commit, versions }: Setting): string[] {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${date} UTC, Tenure at ${commit}, ${cores} × ${processor}, ${memory}, ${system}`, `${named.join(', ')}`];
}

async function versionOf(name: string): Promise<string> {
  const text = await readFile(new URL(`${name}/package.json`, MODULES), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The commit, with `-dirty` if a tracked file has changed since. Documents are left out, as they do not change what is measured. */
async function commitOf(): Promise<string> {
  const git = async (...args: string[]) => {
    const { stdout } = await promisify(execFile)('git', args, { cwd: import.meta.dirname });
    return stdout.trim();
  };
  try {
    const commit = await git('describe', '--always');
    const changes = await git('status', '--porcelain', '--untracked-files=no', ':(top)', ':(top,exclude,glob)**/*.md');
    return changes === '' ? commit : `${commit}-dirty`;
  } catch {
    return 'an unknown commit';
  }
}
