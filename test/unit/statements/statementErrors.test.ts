import { expect, it } from 'vitest';
import { classifyStatementError } from '../../../packages/core/src/postgres/failures.js';

it.each([
  ['26000', 'FetchPreparedStatement', 'missing'],
  ['0A000', 'RevalidateCachedQuery', 'outdated'],
  // 0A000 means "not supported", but for one routine: the wording is translated, and not compared.
  ['0A000', 'transformSelectStmt', undefined],
  ['42P01', 'parserOpenTable', 'outdated'],
  ['42883', 'op_error', 'outdated'],
  ['42501', 'aclcheck_error', undefined],
  ['22P02', 'pg_strtoint32_safe', 'doubtful'],
  ['22003', 'pg_strtoint32_safe', 'doubtful'],
  ['XX000', 'getTypeInputInfo', 'doubtful'],
  ['25P02', 'exec_bind_message', undefined],
  ['57014', 'ProcessInterrupts', undefined],
  ['57P01', 'ProcessInterrupts', undefined],
  [undefined, undefined, undefined],
])('%s from %s is %s', (code, routine, verdict) => {
  expect(classifyStatementError({ code, routine } as { code?: string })).toBe(verdict);
});
