import { pool } from '../lib/db.js';

export const dynamic = 'force-dynamic';

export default async function Page() {
  const { rows } = await pool.query('select version()');
  const { opened, owners } = pool.stats();
  return (
    <p>
      {rows[0].version}: opened {opened}, pools {owners}
    </p>
  );
}
