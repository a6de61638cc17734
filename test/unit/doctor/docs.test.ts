import { readFileSync } from 'node:fs';
import { judge } from '@tenure/doctor';
import { describe, expect, it } from 'vitest';
import { FINDING_IDS } from '../../../packages/doctor/src/judge/finding.js';
import { EXIT, FLAGS } from '../../../packages/doctor/src/options.js';
import { recordingNamed } from './recordings.js';

const docs = readFileSync(new URL('../../../docs/doctor.md', import.meta.url), 'utf8');
const schema = JSON.parse(
  readFileSync(new URL('../../../packages/doctor/report.schema.json', import.meta.url), 'utf8'),
);
const sections = new Map(
  docs
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split('\n')[0]!, section]),
);

describe('docs/doctor.md', () => {
  it('has each finding, in order of severity, with its rule, evidence, guard and fix', () => {
    expect([...sections.keys()]).toEqual([...FINDING_IDS]);
    for (const [id, text] of sections) {
      for (const row of ['rule', 'evidence', 'not when', 'fix']) expect(text, id).toContain(`\n| ${row} |`);
    }
  });

  it('has each option and each exit code', () => {
    for (const flag of Object.keys(FLAGS)) expect(docs).toMatch(new RegExp(`\`--${flag}[ \`]`));
    for (const code of Object.values(EXIT)) expect(docs).toContain(`\n| ${code} | `);
  });

  it.each(['django-eventlet', 'knex-10', 'knex-per-request', 'pgpool-10-dup'])('names all evidence of %s', (name) => {
    for (const { id, evidence } of judge(recordingNamed(name)).findings) {
      for (const key of Object.keys(evidence)) expect(sections.get(id), id).toContain(`\`${key}\``);
    }
  });
});

it('the schema has the same ids', () => {
  expect(schema.properties.findings.items.properties.id.enum).toEqual([...FINDING_IDS]);
});
