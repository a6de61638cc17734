import { poolOf, tenure } from '@tenure/knex';
import knex from 'knex';
import type { OpenAdapter } from './adapterContract.js';

/** Hides Knex's log lines about connections that end; the tests compare errors and figures. */
const log = { warn() {} };

/** Knex, with its config given to Tenure. */
export const openKnex: OpenAdapter = (connection, policy) => {
  const db = knex(tenure({ client: 'pg', connection, log }, policy));
  const pool = poolOf(db);
  const events = db.client.pool as NodeJS.EventEmitter;
  return {
    query: (sql) => Promise.resolve(db.raw(sql)),
    transaction: (work) => db.transaction((trx) => work((sql) => Promise.resolve(trx.raw(sql)))),
    stats: () => pool.stats(),
    destroy: () => db.destroy(),
    watchLending(lent, returned) {
      events.on('acquireSuccess', (_eventId, connection) => lent(connection));
      events.on('release', returned);
    },
  };
};
