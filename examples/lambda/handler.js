import { Pool } from '@tenure/core/pg';

// Outside the handler: the connections outlive the invocation.
const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  application_name: 'lambda',
  policy: { maxConnections: 2 },
});

export async function handler(event) {
  const { rows } = await pool.query('select $1::text as name, pg_backend_pid() as backend', [event.name]);
  return { statusCode: 200, body: JSON.stringify(rows[0]) };
}
