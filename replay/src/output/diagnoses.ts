import { getBorderCharacters, table } from 'table';
import type { Summary } from '../figures/summary.js';
import { titleOf } from '../figures/titles.js';

/** The doctor's diagnosis of each contender, from the samples that the replay takes anyway. */
export function diagnoses(summaries: readonly Summary[]): string {
  const rows = summaries.map((summary) => [titleOf(summary), summary.diagnosis.join(', ')]);
  const drawn = table([['contender', 'the doctor says'], ...rows], {
    border: getBorderCharacters('norc'),
    drawHorizontalLine: (line, all) => line === 0 || line === 1 || line === all,
  });
  return `npx @tenure/doctor, before each of them (docs/doctor.md):\n${drawn}`;
}
