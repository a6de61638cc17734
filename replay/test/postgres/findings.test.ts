import { hasPgBouncer, startPgBouncer } from '@tenure/test/support/pgbouncer.js';
import { usePostgres } from '@tenure/test/support/usePostgres.js';
import { expect, test } from 'vitest';
import { inspect } from '../../src/database/findings.js';

const postgres = await usePostgres({ maxConnections: 30 });

function urlOf(role: string): string {
  return `postgres://${role}:x@${postgres.host}:${postgres.port}/${postgres.database}`;
}

test('finds what the app’s role may do, and the room that is left', async () => {
  expect(await inspect(postgres.url)).toMatchObject({
    host: `127.0.0.1:${postgres.port}`,
    database: 'app',
    role: 'app',
    version: expect.stringMatching(/^18/),
    superuser: false,
    maxConnections: 30,
    free: 27,
    sessions: 0,
    mayCreateSchema: true,
    seesItself: true,
    pooler: false,
  });
});

test('a superuser may have what is kept for superusers', async () => {
  expect(await inspect(postgres.superuserUrl)).toMatchObject({ superuser: true, free: 30 });
});

test('the limits of the role and of the database count too', async () => {
  await postgres.admin(`create role few login password 'x' connection limit 7`);
  expect(await inspect(urlOf('few'))).toMatchObject({ free: 7, mayCreateSchema: false });
  await postgres.admin('alter database app connection limit 5');
  expect(await inspect(urlOf('few'))).toMatchObject({ free: 5 });
  await postgres.admin('alter database app connection limit -1');
});

test('a server that tracks no activity shows a role nothing of itself', async () => {
  await postgres.admin(`create role blind login password 'x'`);
  await postgres.admin('alter role blind set track_activities = off');
  expect(await inspect(urlOf('blind'))).toMatchObject({ seesItself: false });
});

test.skipIf(!hasPgBouncer())('a pooler before the server is noticed', async () => {
  const bouncer = await startPgBouncer({ upstream: postgres, poolMode: 'session' });
  try {
    expect(await inspect(bouncer.url)).toMatchObject({ pooler: true });
  } finally {
    await bouncer.stop();
  }
});
