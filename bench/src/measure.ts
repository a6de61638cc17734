import { cpus } from 'node:os';

/** The process that is measured: compiled, and with nothing in it but what one benchmark needs. */

const [name, url] = process.argv.slice(2);
const progress = (text: string) => console.error(`  measuring ${text} …`);
const [cpu] = cpus();
console.log(`Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}`);
console.log(await run());

async function run(): Promise<string> {
  if (name === 'errors') return (await import('./errors/errors.js')).errors(url!, progress);
  return (await import('./poolAlone.js')).poolAlone(progress);
}
