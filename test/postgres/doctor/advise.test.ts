import { describe, expect, it } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { runDoctor } from './doctor.js';

const postgres = await usePostgres({ maxConnections: 60 });
const advise = (...args: string[]) => runDoctor(['advise', ...args]);

describe('tenure-doctor advise', () => {
  it('reads the limits of the server, the database and the role, and says what to set and why', async () => {
    const { code, stdout } = await advise(postgres.url, '--processes', '4');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^PostgreSQL [\d.]+, database app, as app\n\nMAX_CONNS=11\n {2}4 processes may have 11 each/,
    );
    expect(stdout).toContain('CONN_BUDGET=45\n  max_connections 60 less 3 reserved leaves 57; a fifth of them');
    await postgres.admin('alter role app connection limit 20');
    expect((await advise(postgres.url, '--processes', '4')).stdout).toContain('CONN_BUDGET=20\n  the role may have 20');
    await postgres.admin('alter database app connection limit 8');
    expect((await advise(postgres.url, '--processes', '4')).stdout).toContain('MAX_CONNS=2\n');
    await postgres.admin('alter role app connection limit -1; alter database app connection limit -1');
  });

  it('takes the load into account, prints JSON, and ends with 1 for a warning', async () => {
    const load = ['--per-second', '400', '--use-ms', '50', '--cores', '4', '--others', '30'];
    const { code, stdout } = await advise(postgres.url, '--processes', '3', ...load, '--json');
    expect(code).toBe(1);
    const { maxConnections, budget, expected, warnings } = JSON.parse(stdout);
    expect([maxConnections.value, budget.value, expected.busy]).toEqual([9, 27, 20]);
    expect(warnings).toHaveLength(2);
  });

  it.each([
    [['--processes', 'many'], '--processes “many” is not a number.'],
    [['--processes', '0'], 'processes = 0: wants a whole number'],
    [['--processes', '2', '--use-ms', '5'], 'The load is --per-second and --use-ms together'],
    [[], '--processes N is missing'],
    [['--seconds', '3'], "Unknown option '--seconds'"],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await advise(postgres.url, ...args);
    expect({ code, stderr }).toEqual({ code: 64, stderr: expect.stringContaining(message) });
  });

  it('ends with 2, and no secret, when the server cannot be asked', async () => {
    const { code, stderr } = await advise(`postgres://app:wr0ng@127.0.0.1:${postgres.port}/app`, '--processes', '2');
    expect(code).toBe(2);
    expect(stderr).not.toContain('wr0ng');
  });

  it('explains itself', async () => {
    expect((await advise('--help')).stdout).toContain('--processes N');
    expect((await runDoctor(['--help'])).stdout).toContain('advise "$DATABASE_URL"');
  });
});
