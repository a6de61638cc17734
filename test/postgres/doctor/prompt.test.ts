import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';

const PASSWORD = 'ge heim@#1';
const SHOW_CURSOR = '\u001b[?25h';
const PROMPT = 'Password for user monitor: ';
const CLI = fileURLToPath(new URL('../../../packages/doctor/src/cli.ts', import.meta.url));
const NODE = [process.execPath, '--conditions=@tenure/source', '--import=tsx', CLI];

let server: PostgresServer;
const url = () => `postgres://monitor@127.0.0.1:${server.port}/app`;

beforeAll(async () => {
  server = await startPostgres();
  await server.admin(`create role monitor login password '${PASSWORD}' in role pg_monitor`);
});

afterAll(() => server.stop());

const commands: Command[] = [];
// One that a failed test left waiting for an answer.
afterEach(() => {
  for (const command of commands.splice(0)) command.end();
});

class Command {
  output = '';
  readonly #process: ChildProcess;

  constructor(command: string, args: readonly string[]) {
    const { PGPASSWORD: _, PGPASSFILE: __, ...env } = process.env;
    this.#process = spawn(command, args, {
      // No password file: not that of the person who runs the tests either.
      env: { ...env, HOME: '/nonexistent', PGPASSFILE: '/nonexistent' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    commands.push(this);
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
  }

  end(): void {
    this.#process.kill();
  }

  type(text: string): void {
    this.#process.stdin!.write(text);
  }

  async code(): Promise<number> {
    const [code] = await once(this.#process, 'close');
    return code;
  }
}

const commandLine = (...args: string[]) => [...NODE, ...args].map((word) => `'${word}'`).join(' ');

/** Runs a program on a terminal of its own, which shows what is typed unless the program prevents it. */
function onTerminal(commands: string): Command {
  const sized = `stty cols 100 rows 30; ${commands}`;
  return new Command('script', ['--quiet', '--return', '--echo', 'always', '--command', sized, '/dev/null']);
}

describe.skipIf(process.platform !== 'linux')('on a terminal', () => {
  async function answered(answer: string, { args = [], afterMs = 0 }: { args?: string[]; afterMs?: number } = {}) {
    const command = onTerminal(commandLine(url(), '--seconds', '2', ...args));
    await expect.poll(() => command.output).toContain(PROMPT);
    // The cursor is there to be typed at, and the line of progress is not.
    const before = command.output.split(PROMPT)[0]!;
    expect(before === '' || before.endsWith(SHOW_CURSOR)).toBe(true);
    await sleep(afterMs);
    command.type(answer);
    const code = await command.code();
    return { code, output: command.output, prompts: command.output.split(PROMPT).length - 1 };
  }

  it('asks once for a password that nothing gives, shows none of it, and gets in with it', async () => {
    // A person takes longer than the window.
    const { code, output, prompts } = await answered(`${PASSWORD}\r`, { afterMs: 2_500 });
    expect(output).toContain('database app, as monitor');
    expect(output).not.toMatch(/heim/);
    expect(output.split(PROMPT)[1]).toContain('2 s left');
    // Nothing goes on there.
    expect({ code, prompts }).toEqual({ code: 2, prompts: 1 });
  });

  it('asks before the live view too', async () => {
    const { code, output, prompts } = await answered(`${PASSWORD}\r`, { args: ['--watch', '--once'] });
    expect(output).toContain('opened and');
    expect(output).not.toMatch(/heim/);
    expect({ code, prompts }).toEqual({ code: 0, prompts: 1 });
  });

  it('says that a wrong one is wrong, and does not ask again', async () => {
    const { code, output, prompts } = await answered('ge heim@#2\r');
    expect(output).toContain('The password for the role monitor is wrong.');
    expect(output).not.toMatch(/heim/);
    expect({ code, prompts }).toEqual({ code: 2, prompts: 1 });
  });

  it.each([
    ['Ctrl-C', 'ge heim\u0003'],
    ['Enter', '\r'],
    ['Ctrl-D', '\u0004'],
  ])('%s in place of an answer ends it', async (_, answer) => {
    const { code, output } = await answered(answer);
    expect(output).toContain('The server asks for a password for the role monitor.');
    expect(output).not.toMatch(/heim/);
    expect(code).toBe(2);
  });

  it('shows again what is typed after it', async () => {
    const command = onTerminal(`${commandLine(url(), '--seconds', '2')} > /dev/null; stty -a`);
    await expect.poll(() => command.output).toContain(PROMPT);
    command.type(`${PASSWORD}\r`);
    await command.code();
    expect(command.output).toMatch(/ echo /);
  });

  it('does not ask for one that PGPASSWORD or the URL gives', async () => {
    const withPassword = url().replace('@', `:${encodeURIComponent(PASSWORD)}@`);
    const command = onTerminal(commandLine(withPassword, '--seconds', '2'));
    expect(await command.code()).toBe(2);
    expect(command.output).not.toContain('Password for');
    expect(command.output).toContain('as monitor');
  });
});

it('without a terminal it does not ask, and says what to set', async () => {
  const [node, ...args] = NODE;
  const command = new Command(node!, [...args, url(), '--seconds', '2']);
  expect(await command.code()).toBe(2);
  expect(command.output).not.toContain('Password for');
  expect(command.output).toContain(
    'The server asks for a password for the role monitor. Put it in the URL, in PGPASSWORD or in .pgpass',
  );
});
