// Run by postgres/killed.test.ts, which ends this process during the start, and after it.
import { startPostgres } from './postgres.js';

await startPostgres();
console.log('It runs.');
setInterval(() => {}, 60_000);
