// The app of docs/resilience.md, "Shutting down": workers behind one port, each with a pool. Started with PORT and DATABASE_URL.
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { Pool } from '@tenure/core/pg';

const WORKERS = 3;

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker++) cluster.fork();
  // The test waits for this line, which shows that its requests are in the hands of a worker.
  cluster.on('message', (_, message) => console.log(message));
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM');
  });
} else {
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 2 });
  let closing = false;
  const server = createServer(async (_, response) => {
    process.send?.('accepted');
    const { rows } = await pool.query('select pg_backend_pid() as pid, pg_sleep(0.02)');
    if (closing) response.setHeader('connection', 'close');
    response.end(`${process.pid} ${rows[0].pid}`);
  });
  server.listen(Number(process.env.PORT));
  process.on('SIGTERM', () => {
    closing = true;
    server.close(async () => {
      await pool.drain(5_000);
      process.disconnect();
    });
  });
}
