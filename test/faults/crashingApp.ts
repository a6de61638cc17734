// One process of a fleet that crashes between the steps of a hand-over: the process, or one of the two sessions. Its parent starts another one.
import { createPool, type SlotLocks } from '@tenure/core';
import { pgConnector } from '@tenure/core/pg';
import type pg from 'pg';

const CRASHES = { session: 0.1, process: 0.02 };

const connector = pgConnector(process.env.DATABASE_URL!);
const drop = (client: pg.Client) =>
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();

function crashing(locks: SlotLocks<pg.Client>): SlotLocks<pg.Client> {
  const crash = (...clients: pg.Client[]) => {
    const chance = Math.random();
    if (chance < CRASHES.process) process.kill(process.pid, 'SIGKILL');
    if (chance > 1 - CRASHES.session) {
      drop(clients[Math.floor(clients.length * Math.random())]!);
      process.send?.('crashed');
    }
  };
  const { inherit, release, enter } = locks;
  return Object.assign(locks, {
    // The slot is reserved, and the new session is open without it.
    inherit: (client: pg.Client, slot: number, from: pg.Client, signal: AbortSignal) => {
      crash(client, from);
      return inherit.call(locks, client, slot, from, signal);
    },
    // The first session has its slot, and its member has not yet been locked.
    enter: (client: pg.Client, signal: AbortSignal) => {
      crash(client);
      return enter.call(locks, client, signal);
    },
    // Both sessions hold the slot.
    release: (client: pg.Client, slots: readonly number[], signal: AbortSignal) => {
      crash(client);
      return release.call(locks, client, slots, signal);
    },
  });
}

const pool = createPool(
  { ...connector, slotLocks: (member: number) => crashing(connector.slotLocks!(member)) },
  { maxConnections: 10, minConnections: 0, idleTimeoutMs: 100 },
);
pool.on('warning', () => {});
process.on('warning', () => {});
process.on('disconnect', () => process.exit());

// It grows and shrinks all the time, so that slots are handed over all the time. All processes together need more slots than there are.
for (;;) {
  const calls = Array.from({ length: 1 + Math.floor(10 * Math.random()) }, () =>
    pool.use((client) => client.query('select pg_sleep(0.05)')).catch(() => {}),
  );
  await Promise.all(calls);
  await new Promise((resolve) => setTimeout(resolve, 200 * Math.random()));
}
