// `pnpm test:soak`: SOAK_MINUTES (default 5), SOAK_SEED (default: drawn, and printed).

import { seedFrom } from '../support/seed.js';
import { soak, wrongIn } from './soak.js';

const minutes = Number(process.env.SOAK_MINUTES ?? 5);
const seed = seedFrom('SOAK_SEED');
if (!(minutes > 0) || !Number.isInteger(seed)) {
  console.error('SOAK_MINUTES wants a number above 0, SOAK_SEED a whole number.');
  process.exit(2);
}

console.log(`Soak of ${minutes} minutes, SOAK_SEED=${seed}`);
const figures = await soak({ seconds: minutes * 60, seed, report: console.log });
const counts = Object.entries(figures).map(([name, count]) => `${count} ${name}`);
console.log(counts.join(', '));
const wrong = wrongIn(figures);
console.log(wrong.length === 0 ? 'Everything held.' : `This must not be: ${wrong.join(', ')}. SOAK_SEED=${seed}`);
process.exit(wrong.length === 0 ? 0 : 1);
