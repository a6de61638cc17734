import { Pool } from '@tenure/core/pg';
import { expect, it, onTestFinished } from 'vitest';
import { listenAndCount } from '../../support/countingListener.js';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

function hearStray(): unknown[] {
  const stray: unknown[] = [];
  const onStray = (error: unknown) => stray.push(error);
  process.on('uncaughtException', onStray);
  onTestFinished(() => void process.off('uncaughtException', onStray));
  return stray;
}

/** The header of a row description that claims columns and holds none. */
const NONSENSE = Buffer.from([...Buffer.from('T'), 0, 0, 0, 6, 0, 9]);

it('a server that talks nonsense costs a connection, and not the process', async () => {
  const stray = hearStray();
  const server = await listenAndCount((socket) => void socket.on('data', () => socket.write(NONSENSE)));
  const { host, port } = server;
  const pool = new Pool({ host, port, user: 'app', policy: { connectTimeoutMs: 300, acquireTimeoutMs: 500 } });
  await expect(pool.query('select 1')).rejects.toMatchObject({
    code: 'TENURE_UNREACHABLE',
    message: expect.stringContaining("what is not PostgreSQL's protocol"),
  });
  await pool.drain(100);
  await expect.poll(server.connected).toBe(0);
  expect(stray).toEqual([]);
});

it('what a callback of the app throws is still an uncaught exception, as with pg', async () => {
  const stray = hearStray();
  const pool = new Pool({ connectionString: postgres.url });
  onTestFinished(() => pool.drain(1_000));
  const client = await pool.connect();
  const bug = new Error("a bug of the app's");
  void client.query('select 1', () => {
    throw bug;
  });
  await expect.poll(() => stray).toEqual([bug]);
  await expect(client.query('select 2 as two')).resolves.toMatchObject({ rows: [{ two: 2 }] });
  client.release();
});
