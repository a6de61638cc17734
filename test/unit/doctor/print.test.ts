import { stripVTControlCharacters } from 'node:util';
import { judge, type Recording } from '@tenure/doctor';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { liveView } from '../../../packages/doctor/src/print/liveView.js';
import { reportPage } from '../../../packages/doctor/src/print/page.js';
import { terminalReport } from '../../../packages/doctor/src/print/terminal.js';
import { recordingNamed } from './recordings.js';
import { many, windowOf } from './streams.js';

const NAMES = ['django-eventlet', 'django-sync', 'knex-per-request', 'pgpool-10-dup'];
const nasty = windowOf([
  ...many(30, (index) => ({ every: 0.2, application: `\u001b[2J<b>${'x'.repeat(200)}${index}` })),
  { application: 'шеф 負 👩‍👩‍👧', every: 0.2 },
]);
const empty: Recording = {
  server: null,
  samples: [],
  refusals: [{ at: 1, code: '28P01', message: 'no' }],
  plans: null,
};
const recordings: [string, Recording][] = [
  ...NAMES.map((name): [string, Recording] => [name, recordingNamed(name)]),
  ['names that would draw on the terminal', nasty],
  ['no connection', empty],
];

/** The width on a terminal: no printed character is wider than one column, except those of the names above. */
const widest = (text: string) =>
  Math.max(...text.split('\n').map((line) => line.replaceAll(/[\u3000-\u{10ffff}]/gu, '').length));

describe.each(recordings)('%s', (_, recording) => {
  const judgement = judge(recording);

  it.each([80, 120])('fits into %i columns', (columns) => {
    const text = terminalReport(judgement, { columns, color: false });
    expect(widest(text)).toBeLessThanOrEqual(columns);
    expect(text).not.toContain('\u001b');
  });

  it('has colours only where they are wanted, and the same words', () => {
    const colored = terminalReport(judgement, { columns: 80, color: true });
    expect(colored).toContain('\u001b[');
    expect(stripVTControlCharacters(colored)).toBe(terminalReport(judgement, { columns: 80, color: false }));
  });

  it('is a page that needs nothing from elsewhere', () => {
    const page = reportPage(judgement, new Date(0));
    expect(page).not.toMatch(/<(script|link|img)\b/);
    expect(page.match(/(?:href|src)="|url\(|@import/g)).toBeNull();
    const { document } = parseHTML(page);
    expect(document.querySelectorAll('section.finding')).toHaveLength(judgement.findings.length);
    expect(document.querySelectorAll('svg[role=img]')).toHaveLength(recording.samples.length > 0 ? 4 : 0);
    expect(document.querySelector('.sessions b')).toBeNull();
  });

  it.each([
    [80, 24],
    [120, 50],
  ])('is a live picture of %i columns and at most %i lines', (columns, rows) => {
    const picture = liveView(recording, { columns, rows, color: false });
    expect(widest(picture)).toBeLessThanOrEqual(columns);
    expect(picture.split('\n').length).toBeLessThan(rows);
  });
});

it('the text of a finding: what happens, why it matters, the likeliest cause, what to do', () => {
  const text = terminalReport(judge(recordingNamed('pgpool-10-dup')), { columns: 120, color: false });
  expect(text).toMatch(/✗ critical: closed-by-errors {2}app\n {2}app opened 1,688 connections/);
  for (const label of ['Why it matters:', 'Why it happens: Likeliest:', 'Second:', 'To do:', 'With Tenure']) {
    expect(text).toContain(label);
  }
});

it('healthy is said with what was checked', () => {
  const text = terminalReport(judge(recordingNamed('django-sync')), { columns: 120, color: false });
  expect(text).toMatch(/Healthy, as far as this window shows\. Checked: free slots, reuse/);
});

it('what a role may not see is said, with the GRANT', () => {
  const recording = windowOf([...many(9, () => ({ every: 0.2 })), { hidden: true, user: 'other' }], {
    server: { readsAllStats: false },
  });
  const text = terminalReport(judge(recording), { columns: 200, color: false });
  expect(text).toContain('The state of 10\u00a0% of the sessions is hidden from doctor: GRANT pg_monitor shows it.');
});
