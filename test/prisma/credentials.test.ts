import { expect, it, vi } from 'vitest';
import { usePostgres } from '../support/usePostgres.js';
import { clientOf } from './support.js';

const postgres = await usePostgres();
const { host, port, user, database } = postgres;

it('credentials that rotate are asked for at every connect, and live sessions are left alone', async () => {
  let current = postgres.password;
  const rotate = async (next: string) => {
    await postgres.admin(`alter role app password '${next}'`);
    current = next;
  };
  const password = vi.fn(async () => current);
  const prisma = clientOf({ host, port, user, database, password }, { maxConnections: 1 });
  const pid = async () => {
    const rows = await prisma.$queryRaw<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return rows[0]!.pid;
  };
  const first = await pid();
  await rotate('the second');
  expect(await pid()).toBe(first);
  expect(password).toHaveBeenCalledTimes(1);
  prisma.$pool.invalidate();
  expect(await pid()).not.toBe(first);
  expect(password).toHaveBeenCalledTimes(2);
  await rotate(postgres.password);
});
