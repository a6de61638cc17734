import type pg from 'pg';
import type { RetireReason } from '../../lifecycle/connectionState.js';
import type { Policy } from '../../policy/policy.js';
import { Pool as Engine } from '../../pool/pool.js';
import type { PoolParts } from '../sharing/commonPool.js';
import { type ConnectorHost, poolConnector } from './connector.js';
import { clientConfig, copyOf } from './options.js';

type Client = pg.PoolClient;

/** What a pool takes over from the face that makes it. The face itself it must not keep. */
export interface Founding {
  readonly Client: new (config: pg.ClientConfig) => Client;
  readonly options: pg.PoolConfig;
  readonly log: (...messages: unknown[]) => void;
  readonly policy: Policy;
  /** Tells the app's listeners, as long as the face is there. */
  readonly tell: (event: string, client: Client) => void;
}

/** The words of pg-pool's log, for the reasons that it knows. */
const LOGGED: { readonly [R in RetireReason]?: string } = {
  idle: 'remove idle client',
  'max-age': 'remove expired client',
  'max-uses': 'remove expended client',
};

/** The engine behind a `Pool`, with a connector that does what the options of `pg.Pool` say. */
export function makePool({ Client, options: given, log, policy, tell }: Founding): PoolParts<Client> {
  const known = new WeakSet<Client>();
  const engaged = new Set<Client>();
  let options = given;
  const host: ConnectorHost = {
    create: () => new Client(clientConfig(options)),
    setUp: (client) => options.onConnect?.(client),
    verify: (client) => verifyWith(options, client),
    connected: (client) => {
      known.add(client);
      tell('connect', client);
    },
    refused: (client) => {
      // Its `connect` may have been told.
      if (known.delete(client)) tell('remove', client);
    },
    tidying: (client) => void engaged.add(client),
    tidied: (client) => void engaged.delete(client),
  };
  const asksPassword = () => typeof options.password === 'function';
  const connector = poolConnector(host, { policy, stream: options.stream, asksPassword });
  const engine = new Engine(connector, policy)
    .on('opening', () => log('connecting new client'))
    .on('opened', () => log('new client connected'))
    .on('open-failed', (error) => log('client failed to connect', error))
    .on('closing', (_, reason) => log(LOGGED[reason] ?? `remove client: ${reason}`));
  const freeze = () => {
    options = copyOf(options);
  };
  return { engine, connector, engaged, freeze };
}

function verifyWith({ verify }: pg.PoolConfig, client: Client): Promise<void> {
  if (!verify) return Promise.resolve();
  return new Promise((resolve, reject) => {
    verify(client, (error) => (error ? reject(error) : resolve()));
  });
}
