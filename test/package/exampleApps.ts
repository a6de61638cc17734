import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TemporaryFolder } from '../support/temporaryFolder.js';
import { INSTALL_QUIETLY, OFFLINE } from './app.js';
import { packedPackages, project, run } from './packed.js';

/** An example that listens. */
export interface ExampleApp extends AsyncDisposable {
  readonly url: string;
  /** Sends SIGTERM; resolves to the exit code. */
  end(): Promise<number | null>;
  /** What it has written to stderr. */
  warnings(): string;
}

/** The examples in a folder of their own, with all that they need installed beside them. */
export interface Examples {
  run(example: string, program: string, args: string[]): Promise<string>;
  /** Resolves when it prints the address at which it listens. */
  start(example: string, script: string, args?: string[], environment?: Record<string, string>): Promise<ExampleApp>;
  read(file: string): Promise<string>;
  append(file: string, text: string): Promise<void>;
  remove(): Promise<void>;
}

export async function installExamples(names: readonly string[], databaseUrl: string): Promise<Examples> {
  const temporary = await TemporaryFolder.make('test');
  const folder = join(temporary.path, 'examples');
  const environment = { DATABASE_URL: databaseUrl, PORT: '0' };
  const copy = (name: string) => cp(join(project, 'examples', name), join(folder, name), { recursive: true });
  try {
    await Promise.all(names.map(copy));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'examples', private: true, type: 'module' }));
    await run('npm', ['install', ...INSTALL_QUIETLY, ...(await neededBy(names))], folder);
  } catch (error) {
    await temporary.remove();
    throw error;
  }
  return {
    run: (name, program, args) => run(program, args, join(folder, name), { ...environment, ...OFFLINE }),
    start: (name, script, args = [], more = {}) =>
      start(join(folder, name), [script, ...args], { ...environment, ...more }),
    read: (file) => readFile(join(folder, file), 'utf8'),
    append: (file, text) => appendFile(join(folder, file), text),
    remove: () => temporary.remove(),
  };
}

/** Ours as packed, the others in the versions that the examples ask for. */
async function neededBy(names: readonly string[]): Promise<string[]> {
  const files = names.map((name) => readFile(join(project, 'examples', name, 'package.json'), 'utf8'));
  const asked: Record<string, string> = Object.assign({}, ...(await Promise.all(files)).map(dependenciesOf));
  const ours = await packedPackages();
  return Object.entries(asked).map(
    ([name, range]) => ours.find((one) => one.name === name)?.tarball ?? `${name}@${range}`,
  );
}

function dependenciesOf(packageJson: string): Record<string, string> {
  return JSON.parse(packageJson).dependencies;
}

async function start(folder: string, args: string[], environment: Record<string, string>): Promise<ExampleApp> {
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let warnings = '';
  child.stderr.on('data', (data) => {
    warnings += data;
  });
  const exited = once(child, 'close') as Promise<[number | null]>;
  const url = await Promise.race([addressIn(child.stdout), exited.then(([code]) => failed(code, warnings))]);
  const end = async () => {
    child.kill('SIGTERM');
    return (await exited)[0];
  };
  return { url, end, warnings: () => warnings, [Symbol.asyncDispose]: async () => void (await end()) };
}

async function addressIn(stdout: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(stdout)) {
    const [address] = /http:\/\/[\w.:]+/.exec(line) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error('The example ended without an address.');
}

function failed(code: number | null, printed: string): never {
  throw new Error(`The example ended with exit code ${code} before it listened. It printed:\n${printed}`);
}
