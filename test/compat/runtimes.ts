import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { INSTALL_QUIETLY } from '../package/app.js';
import { run } from '../package/packed.js';

/** A program that runs JavaScript, from npm. */
export interface Runtime {
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
}

/** npm has each runtime's program in a package for each platform. */
const platform = `${process.platform}-${process.arch}`;

/** The runtimes under test, by the npm package that brings each. */
export const RUNTIMES: Readonly<Record<string, { spec: string; program: string; args?: readonly string[] }>> = {
  'node-20': { spec: `node-${platform}@20`, program: `node-${platform}/bin/node` },
  'node-22': { spec: `node-${platform}@22`, program: `node-${platform}/bin/node` },
  'node-24': { spec: `node-${platform}@24`, program: `node-${platform}/bin/node` },
  'node-newest': { spec: `node-${platform}@latest`, program: `node-${platform}/bin/node` },
  bun: { spec: `@oven/bun-${platform}`, program: `@oven/bun-${platform}/bin/bun` },
  deno: {
    spec: `@deno/${platform}-glibc`,
    program: `@deno/${platform}-glibc/deno`,
    args: ['run', '--allow-all', '--node-modules-dir=manual'],
  },
};

/** This Node itself, for what is tested beside runtimes. */
export const OWN: Runtime = { title: `Node ${process.versions.node}`, program: process.execPath, args: [] };

/** Installs a runtime in a folder of its own. */
export async function installRuntime(name: string, below: string): Promise<Runtime> {
  const { spec, program, args = [] } = RUNTIMES[name]!;
  const folder = join(below, name);
  await mkdir(folder, { recursive: true });
  await run('npm', ['install', ...INSTALL_QUIETLY, '--prefix', folder, spec], folder);
  const path = join(folder, 'node_modules', program);
  const version = (await run(path, ['--version'], folder)).trim().split('\n')[0]!;
  return { title: titleOf(version), program: path, args };
}

/** Node prints `v24.1.0`, Bun `1.4.5`, Deno `deno 2.9.6 (…)`. */
function titleOf(version: string): string {
  const [, name, number] = /^(v|deno )?([\d.]+)/.exec(version) ?? [];
  return `${name === 'v' ? 'Node' : name === undefined ? 'Bun' : 'Deno'} ${number}`;
}
