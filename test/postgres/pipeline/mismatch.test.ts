import { expect, it, vi } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';
import { makeShort, openSharing, useSlowMachine } from './support.js';

// A file of its own, because these tests turn sharing off for the process.

const postgres = await usePostgres();
useSlowMachine();

const READ = 'select $1::text as tag where $2 = 1';
/** The internals of a client of `pg`. */
interface Inside {
  readonly pipeline: boolean;
  readonly _activeQuery: unknown;
  readonly connection: NodeJS.EventEmitter;
}

const tags = ['0', '1', '2', '3', '4', '5'];

it('An answer that does not belong to its query ends the connection, all are answered by others, and nothing is shared any more', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const pool = openSharing(postgres, { max: 1 });
  let client!: Inside;
  pool.on('connect', (opened) => {
    client = opened as unknown as Inside;
  });
  await makeShort(pool, READ, ['first', 1]);
  const read = (tag: string) => pool.query<{ tag: string }>(READ, [tag, 1]).then(({ rows }) => rows[0]!.tag);
  const state = () => pool.stats().pipelined!.state;
  const callers = tags.map(async (tag) => {
    while (state() === 'on') expect(await read(tag)).toBe(tag);
  });
  while (!client.pipeline || !client._activeQuery) await new Promise((resolve) => setImmediate(resolve));
  client.connection.emit('message', { name: 'parseComplete' });
  await Promise.all(callers);
  expect(pool.stats()).toMatchObject({ pipelined: { state: 'mismatch' }, closed: { broken: 1 } });
  const { queries } = pool.stats().pipelined!;
  expect(await Promise.all(tags.map(read))).toEqual(tags);
  expect(pool.stats().pipelined!.queries).toBe(queries);
  const warnings = warn.mock.calls.filter(
    ([, options]) => (options as { code?: string }).code === 'TENURE_PIPELINE_MISMATCH',
  );
  expect(warnings).toHaveLength(1);
});
