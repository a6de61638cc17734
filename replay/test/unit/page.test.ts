import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { page } from '../../src/report/page.js';
import { passOf, summaryOf } from './support.js';

const CONTENT = {
  passes: [passOf()],
  summaries: [summaryOf()],
  verdicts: ['One <line> & no more.'],
  checks: [{ passed: false, text: 'a promise' }],
  notes: ['a note'],
  findings: { maxConnections: 100, version: '18.4' } as never,
  setting: 'here',
};

test('the report needs nothing from elsewhere', () => {
  const text = page(CONTENT);
  expect(text).not.toMatch(/<(script|link|img)\b/);
  expect(text.match(/(?:href|src)="|url\(|@import/g)).toBeNull();
});

test('opens with one picture of all contenders, then has the lifelines of each, at both widths, with words for those who cannot see them', () => {
  const { document } = parseHTML(page(CONTENT));
  const labels = [...document.querySelectorAll('figure svg[role=img]')].map((svg) => svg.getAttribute('aria-label'));
  expect(labels).toHaveLength(4);
  expect(labels[0]).toMatch(/at most 80 of 100/);
  expect(labels[2]).toMatch(/One bar for each backend PID/);
});

test('a deployment has a picture of its own, with a scale of its own', () => {
  const passes = [passOf(), passOf({ contender: 'tenure-deployment' })];
  const summaries = [summaryOf(), summaryOf({ contender: 'tenure-deployment', limit: 160, budget: 40 })];
  const { document } = parseHTML(page({ ...CONTENT, passes, summaries }));
  const [pictures] = document.querySelectorAll('section');
  const captions = [...pictures!.querySelectorAll('figcaption')].map((caption) => caption.textContent);
  expect(captions).toEqual([
    expect.stringMatching(/ Tenure 8\s×\s10: at most 80 of 100\.$/),
    expect.stringMatching(/ Tenure 8, then 16\s×\s10, budget 40: at most 80 of 100\.$/),
  ]);
});

test('text is shown as it is', () => {
  const { document } = parseHTML(page(CONTENT));
  expect(document.querySelector('.verdict')?.textContent).toBe('One <line> & no more.');
});

test('each route has a table of its own, and errors a row where they are made', () => {
  const passes = [passOf(), passOf({ contender: 'prisma-tenure' })];
  const summaries = [summaryOf(), summaryOf({ contender: 'prisma-tenure' })];
  const { document } = parseHTML(page({ ...CONTENT, passes, summaries }));
  const rows = [...document.querySelectorAll('table')].map((table) =>
    [...table.querySelectorAll('th[scope=row]')].map((head) => head.textContent),
  );
  expect(rows.map((names) => names.includes('opened / 1,000 requests'))).toEqual([true, true]);
  expect(rows.map((names) => names.includes('unique key violated'))).toEqual([false, true]);
});

test('marks Tenure among the contenders of the picture', () => {
  const passes = [passOf({ contender: 'stock' }), passOf()];
  const summaries = [summaryOf({ contender: 'stock' }), summaryOf()];
  const { document } = parseHTML(page({ ...CONTENT, passes, summaries }));
  const keys = [...document.querySelectorAll('.key li')].map((item) => [item.textContent, item.className]);
  expect(keys).toEqual([
    ['Knex 8\u00a0×\u00a010', ''],
    ['Tenure 8\u00a0×\u00a010', 'marked'],
  ]);
});
