import { Pool } from '@tenure/core/pg';
import { expect, it, onTestFinished } from 'vitest';
import { listenAndCount } from '../support/countingListener.js';
import { errorMessage, RIGHT, serve } from './hostileServer.js';

it('a goodbye in the same chunk as the answer before it is heard before the connection is passed on', async () => {
  const goodbye = errorMessage('FATAL', '57P01', 'terminating connection due to administrator command');
  const lastWords = Buffer.concat([RIGHT.query, RIGHT.result, goodbye]);
  let clients = 0;
  const server = await listenAndCount((socket) => {
    if (++clients === 1) serve(socket, 'query', { do: 'say', bytes: lastWords, next: 'end' });
    else serve(socket);
  });
  const { host, port } = server;
  // Without prepared statements nothing is asked before the first query is.
  const policy = { maxConnections: 1, statements: 0 };
  const pool = new Pool({ host, port, user: 'app', password: 'app', database: 'app', policy });
  onTestFinished(() => pool.drain(1_000));
  const answers = await Promise.all([pool.query('select 1'), pool.query('select 1')]);
  expect(answers.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 1 }]]);
  expect(server.accepted()).toBe(2);
});
