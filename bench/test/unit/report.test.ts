import { parseHTML } from 'linkedom';
import { expect, test } from 'vitest';
import { markdown } from '../../src/report/markdown.js';
import { page } from '../../src/report/page.js';
import type { Report, Setting } from '../../src/report/report.js';
import { terminal } from '../../src/report/terminal.js';
import { filesOf } from '../../src/report/write.js';

const REPORT: Report = {
  title: 'A <title>',
  about: ['What was done.'],
  tables: [
    {
      title: 'Grouped',
      head: ['group', 'name', 'ns'],
      rows: [
        ['a', 'one', '1'],
        ['a', 'two | three', '2'],
        ['b', 'one', '3'],
      ],
    },
  ],
  plots: [
    {
      title: 'Bars',
      unit: 'ns',
      bars: [
        { name: 'Tenure', value: 1.234 },
        { name: 'other', value: Number.NaN },
      ],
    },
  ],
  targets: [{ reached: false, text: 'a promise' }],
  figures: {},
};

const SETTING: Setting = {
  command: 'npx -y pnpm@12 bench pool',
  date: '2026-01-01 00:00',
  processor: 'A processor',
  cores: 2,
  memory: '4 GiB',
  system: 'linux x64',
  commit: 'abc',
  versions: { PostgreSQL: '18.4', Node: '20.0.0' },
};

test('Markdown names the command, the machine and the versions, and keeps a cell one cell', () => {
  const text = markdown(REPORT, SETTING);
  expect(text).toContain('```sh\nnpx -y pnpm@12 bench pool\n```');
  expect(text).toContain('2 × A processor');
  expect(text).toContain('PostgreSQL 18.4, Node 20.0.0');
  expect(text).toContain('| group | name | ns |\n| --- | --- | ---: |\n| a | one | 1 |\n| a | two \\| three | 2 |');
  expect(text).not.toContain('a promise');
});

test('the terminal has a line between groups, and none where the first column makes no groups', () => {
  const rules = (text: string) => text.split('\n').filter((line) => line.startsWith('├')).length;
  expect(rules(terminal(REPORT, SETTING))).toBe(2);
  const [{ title, head, rows }] = REPORT.tables as [Report['tables'][number]];
  const flat = { title, head, rows: rows.slice(1) };
  expect(rules(terminal({ ...REPORT, tables: [flat] }, SETTING))).toBe(1);
});

test('the page needs nothing from elsewhere, and tells its plots to those who cannot see them', () => {
  const text = page(REPORT, SETTING);
  expect(text).not.toMatch(/<(script|link|img)\b/);
  const { document } = parseHTML(text);
  expect(document.querySelector('h1')?.textContent).toBe('A <title>');
  const labels = [...document.querySelectorAll('figure svg[role=img]')].map((svg) => svg.getAttribute('aria-label'));
  expect(labels).toEqual(['Bars, ns: Tenure 1.23, other n/a', 'Bars, ns: Tenure 1.23, other n/a']);
});

test('a run writes Markdown only when it is asked for: it is committed, and a run that means nothing must not replace it', () => {
  expect([...filesOf(REPORT, SETTING, false).keys()]).toEqual(['json', 'html']);
  expect(filesOf(REPORT, SETTING, true).get('md')).toMatch(/^# A <title>\n\n```sh\n/);
});
