import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { Pool } from '@tenure/core/pg';

const WORKERS = 8;
const CONNECTIONS = 16; // of all workers together, however many each needs

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker++) cluster.fork({ CONN_BUDGET: CONNECTIONS });
  let listening = 0;
  cluster.on('listening', (_, { port }) => {
    listening += 1;
    if (listening === WORKERS) console.log(`http://127.0.0.1:${port}`);
  });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM');
  });
} else {
  const pool = new Pool({ connectionString: process.env.DATABASE_URL, application_name: 'cluster' });
  let closing = false;
  const server = createServer(async (_, response) => {
    const { rows } = await pool.query('select now(), pg_sleep(0.01)');
    // A connection that is kept alive would bring the next request here.
    if (closing) response.setHeader('connection', 'close');
    response.end(String(rows[0].now));
  });
  server.listen(Number(process.env.PORT ?? 3000));
  process.on('SIGTERM', () => {
    closing = true;
    server.close(async () => {
      await pool.drain(5_000);
      process.disconnect();
    });
  });
}
