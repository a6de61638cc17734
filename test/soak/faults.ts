import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from '@tenure/core/pg';
import pg from 'pg';
import type { PostgresServer } from '../support/postgres.js';
import type { FaultProxy } from '../support/proxy/proxy.js';
import type { Chance } from './chance.js';

/** The parts on which a fault acts. */
export interface Scene {
  readonly postgres: PostgresServer;
  readonly proxy: FaultProxy;
  readonly chance: Chance;
}

/** A fault. The network is healed after it; a fault of the server ends by itself. */
type Fault = (scene: Scene) => Promise<unknown>;

const aWhile = ({ chance }: Scene) => sleep(chance.between(100, 1_500));

/** All faults of the soak, by name. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'half-open connections': async ({ proxy }) => proxy.freeze(),
  async 'silent network'(scene) {
    scene.proxy.freeze();
    scene.proxy.arrivals = 'silent';
    await aWhile(scene);
  },
  async 'connections reset, new ones refused'(scene) {
    scene.proxy.arrivals = 'reset';
    scene.proxy.sever();
    await aWhile(scene);
  },
  async 'nobody listens'(scene) {
    scene.proxy.stopListening();
    await aWhile(scene);
    await scene.proxy.listen();
  },
  'cut in mid-message': async ({ proxy, chance }) => proxy.cutAfter(chance.between(0, 200)),
  async 'slow network'(scene) {
    scene.proxy.latencyMs = scene.chance.between(5, 50);
    await aWhile(scene);
  },
  async 'brown-out'(scene) {
    // Up to six times as long as a check may take.
    scene.proxy.latencyMs = scene.chance.between(300, 1_500);
    await sleep(scene.chance.between(1_000, 5_000));
  },
  async 'some connects swallowed'(scene) {
    scene.proxy.swallowNext = scene.chance.between(1, 4);
    if (scene.chance.next() < 0.5) scene.proxy.sever();
    await aWhile(scene);
  },
  'one connection half-open': async ({ proxy }) => proxy.freeze(1),
  async 'narrow network'(scene) {
    scene.proxy.bytesPerSecond = scene.chance.between(2_000, 20_000);
    await aWhile(scene);
  },
  async 'slow connects'(scene) {
    scene.proxy.connectDelayMs = scene.chance.between(100, 600);
    scene.proxy.sever();
    await aWhile(scene);
  },
  'all sessions terminated': ({ postgres }) => postgres.terminateBackends(),
  async 'some sessions terminated'({ postgres, chance }) {
    const backends = await postgres.activity();
    const unlucky = backends.filter(() => chance.next() < 0.3);
    for (const { pid } of unlucky) await postgres.terminateBackends({ pid });
  },
  'queries cancelled': ({ postgres }) =>
    postgres.admin(`select pg_cancel_backend(pid) from pg_stat_activity where usename = 'app' and state = 'active'`),
  async 'server restarted'(scene) {
    await scene.postgres.stopServer(scene.chance.oneOf(['fast', 'immediate', 'kill']));
    await aWhile(scene);
    await scene.postgres.startServer();
  },
  async 'server read-only'(scene) {
    await scene.postgres.setReadOnly(true);
    await aWhile(scene);
    await scene.postgres.setReadOnly(false);
  },
  'server crowded': crowd,
  'own pools crowd the server': crowdOurselves,
  'event loop blocked': async ({ chance }) => {
    const until = performance.now() + chance.between(200, 1_500);
    while (performance.now() < until);
  },
};

/** Other apps take what slots they can get, just when ours have lost theirs. */
async function crowd(scene: Scene): Promise<void> {
  const { postgres } = scene;
  const others = Array.from({ length: 30 }, () => new pg.Client(postgres.url));
  for (const other of others) other.on('error', () => {});
  const joined = Promise.allSettled(others.map((other) => other.connect()));
  await postgres.terminateBackends();
  await joined;
  await aWhile(scene);
  await Promise.allSettled(others.map((other) => other.end()));
}

/** Other pools of this process take all slots and leave them idle, just when the apps have lost theirs. */
async function crowdOurselves(scene: Scene): Promise<void> {
  const { postgres, proxy } = scene;
  const { user, password, database } = postgres;
  const target = { host: proxy.host, port: proxy.port, user, password, database, query_timeout: 2_000 };
  const pools = Array.from({ length: 6 }, (_, i) => new Pool({ ...target, max: 5, policy: { name: `tenant${i}` } }));
  await postgres.terminateBackends();
  const uses = pools.flatMap((pool) => Array.from({ length: 5 }, () => pool.query('select pg_sleep(0.1)')));
  await Promise.allSettled(uses);
  await aWhile(scene);
  await Promise.all(pools.map((pool) => pool.drain(1_000)));
}
