import dns, { type LookupAddress } from 'node:dns';
import { type LookupFunction, Socket } from 'node:net';
import { TenureUsageError } from '../errors.js';
import type { Policy } from '../policy/policy.js';
import type { Connector } from '../pool/connector.js';
import { breakOff, findLost, queryInFlight } from './backends.js';
import { probe } from './cancel.js';
import { abort, close, ref, unref } from './close.js';
import { observe, watch } from './connection.js';
import { classifyConnectError, classifyLogin, classifyLoss, makesRoom } from './failures.js';
import type { PgClient, PgFirstWord } from './pgTypes.js';
import { finish, type ResetOptions, reset } from './reset.js';
import { isWritable, ping } from './roundTrip.js';
import { lastStatement, NO_STATEMENTS, rememberLastStatement, Statements } from './statements/statements.js';
import { isOpen, transactionStatus } from './status.js';

export interface SessionOptions<C> extends ResetOptions<C> {
  /** Prepares a session; run again after each `session` reset. Must leave no transaction open. */
  readonly setUp?: ResetOptions<C>['setUp'];
  /** Whether each connect asks the app for the password anew. */
  readonly asksPassword?: () => boolean;
  /** The app's own `stream` option of `pg`, if it has one: a cancel goes the same way. */
  readonly stream?: ResetOptions<C>['stream'];
}

type SessionOperations<C extends object> = Required<Omit<Connector<C>, 'connect' | 'validate'>>;

/** Everything a connector does but open: works on any connected client of node-postgres, however it was opened. */
export interface PgSession<C extends PgClient> extends SessionOperations<C> {
  /**
   * Takes a client into care: turns TCP keepalive on and listens to it for the rest of its life. `watch` does so too; but what the server
   * says of itself at the start, only who observes a client before it connects will hear.
   */
  observe(client: C): void;
  /**
   * Tells what becomes of a client that has been opened.
   *
   * @param onLost called once if the connection ends without `close` or `abort`
   * @param onReadOnly called once if the session can write now, and its server stops taking writes (PostgreSQL 14 and later)
   */
  watch(client: C, onLost: (cause?: Error) => void, onReadOnly?: () => void): void;
  /**
   * From now on the repeated queries of this client, which is connected and set up, are sent as prepared statements, as far as the policy
   * says, and none before `governedBy`. Costs a round trip on the first client, if a pooler must be ruled out; rejects when the client cannot be used.
   */
  keepStatements(client: C, signal: AbortSignal): Promise<void>;
}

export function pgSession<C extends PgClient>(options: SessionOptions<C> = {}): PgSession<C> {
  let governed: { readonly policy: Policy; readonly statements: Statements } | undefined;
  const addresses = new Addresses();
  return {
    governedBy(policy) {
      if (governed) {
        throw new TenureUsageError('This connector belongs to another pool already: make one for each.');
      }
      governed = { policy, statements: new Statements(policy) };
    },
    observe(client) {
      addresses.lead(client);
      observe(client);
    },
    watch,
    close,
    abort,
    ref,
    unref,
    ping,
    probe: (client, signal) => probe(client, { signal, stream: options.stream }),
    isBehindPooler: () => governed?.statements.stats.state === 'behind-pooler',
    isWritable,
    isOpen,
    transactionStatus,
    classifyConnectError: (error) => (options.asksPassword?.() ? classifyLogin(error) : classifyConnectError(error)),
    classifyLoss,
    queryInFlight,
    findLost,
    breakOff,
    makesRoom: (error, connection) => makesRoom(error, connection as PgClient),
    finish: (client) => {
      const { signal: never } = new AbortController();
      return finish(client, never, { stream: options.stream, limitMs: governed?.policy.healthTimeoutMs });
    },
    reset: (client, mode, signal) => reset(client, mode, signal, options),
    processId: (client) => client.processID ?? undefined,
    async keepStatements(client, signal) {
      if (Number.isFinite(governed?.policy.leakAfterMs)) rememberLastStatement(client);
      await governed?.statements.adopt(client, signal);
    },
    lastStatement,
    statementStats: () => governed?.statements.stats ?? NO_STATEMENTS,
  };
}

/** An address that has left a connect unanswered for this long is tried after the others of its name. */
const SILENT_MS = 400;
/** After this long it has its place again. */
const FORGOTTEN_MS = 60_000;

const FIRST_WORDS: readonly PgFirstWord[] = [
  'authenticationOk',
  'authenticationSASL',
  'authenticationMD5Password',
  'authenticationCleartextPassword',
  'errorMessage',
];

interface Tried {
  /** When a connect was last begun. */
  readonly at: number;
  /** Since when no connect has been answered. */
  readonly silentSince: number;
}

/**
 * The addresses that connects went to and that have not answered yet. Node tries the addresses of a name in order until one accepts the
 * connect; one that accepts and never answers, as a proxy without a server may, would swallow every connect.
 */
class Addresses {
  readonly #tried = new Map<string, Tried>();

  /** Has a client, which has not connected yet, try the addresses of its host in this order. A stream of the app's own goes its own way. */
  lead({ connection }: PgClient): void {
    const stream: unknown = connection?.stream;
    if (connection === undefined || !(stream instanceof Socket) || stream.connect !== Socket.prototype.connect) return;
    const { connect } = stream;
    stream.connect = (...args: unknown[]) => {
      const [port, host] = args;
      const isNamed = typeof port === 'number' && typeof host === 'string';
      return Reflect.apply(connect, stream, isNamed ? [{ port, host, lookup: this.#lookUp }] : args);
    };
    stream.once('connect', () => {
      const { remoteAddress = '' } = stream;
      this.#begun(remoteAddress);
      for (const word of FIRST_WORDS) connection.once(word, () => this.#tried.delete(remoteAddress));
    });
  }

  readonly #lookUp: LookupFunction = (host, options, callback) => {
    dns.lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, []);
      const addresses = this.#inOrder(found);
      // Which of the two it is depends on Node's version and settings.
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };

  #begun(address: string): void {
    const at = performance.now();
    for (const [known, tried] of this.#tried) if (at - tried.at > FORGOTTEN_MS) this.#tried.delete(known);
    this.#tried.set(address, { at, silentSince: this.#tried.get(address)?.silentSince ?? at });
  }

  /** As the system has them; then the silent ones, beginning with the one that has been left alone for longest. */
  #inOrder(addresses: readonly LookupAddress[]): LookupAddress[] {
    const now = performance.now();
    const rank = ({ address }: LookupAddress) => {
      const tried = this.#tried.get(address);
      const isSilent = tried && now - tried.silentSince > SILENT_MS && now - tried.at <= FORGOTTEN_MS;
      return isSilent ? tried.at : 0;
    };
    return [...addresses].sort((one, other) => rank(one) - rank(other));
  }
}
