import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Report } from '@tenure/doctor';

const CLI = fileURLToPath(new URL('../../../packages/doctor/src/cli.ts', import.meta.url));

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** Runs the command in a process of its own, without a terminal and without any PG* variable but those given. */
export async function runDoctor(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const begun = performance.now();
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  const child = spawn(process.execPath, ['--conditions=@tenure/source', '--import=tsx', CLI, ...args], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...Object.fromEntries(inherited), NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr, ms: performance.now() - begun };
}

export interface Examination extends Run {
  report: Report;
}

export async function examine(args: string[], env?: Record<string, string>): Promise<Examination> {
  const run = await runDoctor([...args, '--json'], env);
  if (run.stdout === '') throw new Error(`No report: exit code ${run.code}\n${run.stderr}`);
  return { ...run, report: JSON.parse(run.stdout) };
}

/** The ids of what is critical or a warning, of one group or of all. */
export function alarmsOf({ findings }: Report, group?: string): string[] {
  return findings
    .filter((finding) => finding.severity !== 'info' && (group === undefined || finding.group === group))
    .map(({ id }) => id);
}
