import { cpus } from 'node:os';
import { poolAlone } from './poolAlone.js';

const [cpu] = cpus();
console.log(`Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}`);
console.log('Medians of interleaved rounds, stub connections, 10 at most; health checks on, default policy.\n');
console.log(await poolAlone((text) => console.error(`  measuring with ${text} …`)));
