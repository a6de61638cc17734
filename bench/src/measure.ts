import type { Job } from './measured.js';
import type { Report } from './report/report.js';

/** The process that is measured. It is compiled, and contains only what one part of one benchmark needs. */

const job = JSON.parse(process.argv[2]!) as Job;
const progress = (text: string) => console.error(`  ${text} …`);
const report = await run(job);
// Exits once the report is sent, because a contender may have left a timer.
process.send!(report, () => process.exit(0));

async function run({ part, quick, url }: Job): Promise<Report> {
  switch (part) {
    case 'memory':
      return (await import('./pool/memory.js')).memory(quick, progress);
    case 'errors':
      return (await import('./errors/errors.js')).errors(url, quick, progress);
    case 'inspector':
      return (await import('./inspector/inspector.js')).inspectorCost(url, quick, progress);
    case 'ageing':
      return (await import('./ageing/ageing.js')).ageing(url, quick, progress);
  }
}
