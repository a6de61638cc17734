// Run by postgres/support.test.ts, which then ends this process in several ways.
import { startPostgres } from './postgres.js';

const server = await startPostgres();
const [facts] = await server.admin(
  `select current_setting('data_directory') as folder, split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as postmaster`,
);
console.log(JSON.stringify(facts));
setInterval(() => {}, 60_000);
