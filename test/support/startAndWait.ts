// Run by postgres/killed.test.ts, which ends this process while it starts, and after.
import { startPostgres } from './postgres.js';

await startPostgres();
console.log('It runs.');
setInterval(() => {}, 60_000);
