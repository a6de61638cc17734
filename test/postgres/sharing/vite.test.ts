import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'vite';
import { expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../../support/usePostgres.js';

const postgres = await usePostgres();

/** A module with two pools that are there for as long as the app is, and one for each request. */
const moduleText = (edit: number) => `${'// edited\n'.repeat(edit)}
import { Pool } from '@tenure/core/pg';
const settings = { connectionString: ${JSON.stringify(postgres.url)}, max: 4 };
export const locks = new Pool({ ...settings, application_name: 'module' });
export const work = new Pool({ ...settings, application_name: 'module' });
export async function request() {
  const pool = new Pool({ ...settings, application_name: 'request' });
  for (const one of [locks, work, pool]) await one.query('select ${edit}');
}
`;

it('The hot reload of Vite leaves the connections of one evaluation, though each has shifted the lines', async () => {
  const root = join(import.meta.dirname, `.vite-${process.pid}`);
  await mkdir(root);
  onTestFinished(() => rm(root, { recursive: true }));
  const file = join(root, 'db.mjs');
  const vite = await createServer({
    root,
    configFile: false,
    logLevel: 'silent',
    server: { middlewareMode: true, ws: false, watch: null },
    optimizeDeps: { noDiscovery: true },
    ssr: { resolve: { conditions: ['@tenure/source'] }, noExternal: [/^@tenure/] },
  });
  onTestFinished(() => vite.close());
  const evaluations = new Set<unknown>();
  for (let edit = 0; edit < 30; edit++) {
    await writeFile(file, moduleText(edit));
    for (const known of vite.moduleGraph.getModulesByFile(file) ?? []) vite.moduleGraph.invalidateModule(known);
    const { locks, request } = await vite.ssrLoadModule('/db.mjs');
    evaluations.add(locks);
    await request();
  }
  expect(evaluations.size).toBe(30);
  // Two pools, which are apart, and one.
  expect(await postgres.activity({ applicationName: 'module' })).toHaveLength(2);
  expect(await postgres.activity({ applicationName: 'request' })).toHaveLength(1);
});
