import { readFileSync } from 'node:fs';
import type { Report } from '@tenure/doctor';
import { Ajv } from 'ajv';

const path = new URL('../../../packages/doctor/report.schema.json', import.meta.url);
const validate = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(readFileSync(path, 'utf8')));

/** The violations of the published schema in a report. */
export function violations(report: Report): string[] {
  validate(JSON.parse(JSON.stringify(report)));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
