import type { Report } from '@tenure/doctor';
import { run } from '../../../packages/doctor/src/run.js';

export interface Run {
  code: number;
  stdout: string;
  stderr: string;
  ms: number;
}

/** The command, in this process; no variable of the environment but those given. */
export async function runDoctor(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const begun = performance.now();
  let stdout = '';
  let stderr = '';
  const code = await run(args, {
    env,
    print: (text) => {
      stdout += text;
    },
    complain: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr, ms: performance.now() - begun };
}

export interface Examination extends Run {
  report: Report;
}

export async function examine(args: string[], env?: Record<string, string>): Promise<Examination> {
  const one = await runDoctor([...args, '--json'], env);
  if (one.stdout === '') throw new Error(`No report: exit code ${one.code}\n${one.stderr}`);
  return { ...one, report: JSON.parse(one.stdout) };
}

/** The ids of what is critical or a warning, of one group or of all. */
export function alarmsOf({ findings }: Report, group?: string): string[] {
  return findings
    .filter((finding) => finding.severity !== 'info' && (group === undefined || finding.group === group))
    .map(({ id }) => id);
}
