import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * Runs a script in a process of its own. Returns how it ended, its output, and how long it lived after its first output.
 *
 * @param patienceMs how long it may live on before it is killed
 */
export async function runScript(script: string, env: Record<string, string> = {}, patienceMs = 3_000) {
  const child = spawn(
    process.execPath,
    ['--conditions=@tenure/source', '--import=tsx', '--input-type=module', '--eval', script],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await Promise.race([once(child.stdout, 'data'), exited]);
  const doneAt = performance.now();
  const impatience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const [code, signal] = await exited;
  clearTimeout(impatience);
  return { code, signal, output, livedOnMs: performance.now() - doneAt };
}
