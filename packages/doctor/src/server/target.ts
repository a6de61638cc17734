import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { parse } from 'pg-connection-string';

/** Where to connect, and how: the same as `psql` with this argument and environment. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Undefined if the environment, a .pgpass file or a prompt has it. */
  readonly password: string | undefined;
  /** Tried in this order, as long as the server does not offer the one before. */
  readonly encryptions: readonly Encryption[];
}

/** `false` is none; otherwise what Node's TLS takes. */
export type Encryption = false | { rejectUnauthorized?: boolean; [option: string]: unknown };

/** A mistake in the arguments. Its message leaves out what may be secret. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
const DEFAULT_PORT = 5432;

/**
 * @param argument a URL, `key=value` pairs, or the name of a database; undefined for the `PG*` variables
 * @throws {UsageError}
 */
export function targetOf(argument: string | undefined, env: Environment): Target {
  if (argument !== undefined && argument.trim() === '') {
    throw new UsageError('The URL is empty. Is DATABASE_URL set? Without any argument the PG* variables are used.');
  }
  const settings = settingsOf(argument?.trim());
  const host = settings.host ?? env.PGHOST ?? 'localhost';
  const user = settings.user ?? env.PGUSER ?? userInfo().username;
  return {
    host,
    port: portOf(settings.port ?? env.PGPORT),
    user,
    database: settings.dbname ?? env.PGDATABASE ?? user,
    password: settings.password || env.PGPASSWORD || undefined,
    encryptions: host.startsWith('/') ? [false] : encryptionsOf(settings, env),
  };
}

/** The environment may have these as well. */
const TLS_SETTINGS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const;

type Settings = Partial<
  Record<'host' | 'port' | 'user' | 'dbname' | 'password' | (typeof TLS_SETTINGS)[number], string>
>;

function settingsOf(argument: string | undefined): Settings {
  if (argument === undefined) return {};
  if (argument.includes('://')) return settingsOfUrl(argument);
  if (argument.includes('=')) return settingsOfPairs(argument);
  return { dbname: argument };
}

/** `jdbc:postgresql://`, `postgresql+psycopg2://` and the like are other programs' names for the same. */
function settingsOfUrl(argument: string): Settings {
  const plain = argument.replace(/^jdbc:/i, '').replace(/^(postgres(?:ql)?|postgis|prisma)(\+\w+)?:/i, 'postgres:');
  if (!plain.startsWith('postgres://')) {
    const scheme = argument.split('://')[0];
    throw new UsageError(`“${scheme}://” is not a URL of PostgreSQL: it begins with postgres:// or postgresql://.`);
  }
  if (/^postgres:\/\/([^/?#]*@)?[^/?#]*,/.test(plain)) {
    throw new UsageError('The URL names several hosts. The doctor looks at one server at a time: name one.');
  }
  const [address = '', query] = plain.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  const tls = TLS_SETTINGS.flatMap((name) => {
    const value = parameters.get(name);
    parameters.delete(name);
    return value === null ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(tls), ...settingsOfAddress(`${address}?${parameters}`) };
}

function settingsOfAddress(url: string): Settings {
  try {
    const { host, port, user, password, database: dbname } = parse(url);
    const set = Object.entries({ host, port, user, password, dbname }).filter(([, value]) => value);
    return Object.fromEntries(set) as Settings;
  } catch {
    // Shows only the part after user and password, which may contain any character.
    const shown = /@([^@?]*)/.exec(url.split('?')[0]!.slice(url.lastIndexOf('@', url.indexOf('?'))))?.[1];
    throw new UsageError(
      `The URL${shown === undefined ? '' : ` (…@${shown})`} is not valid. In a password, @ : / # ? must be written as %40 %3A %2F %23 %3F.`,
    );
  }
}

function settingsOfPairs(argument: string): Settings {
  const pairs = argument.matchAll(/(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))/g);
  return Object.fromEntries(
    Array.from(pairs, ([, key, quoted, plain]) => [key, plain ?? quoted!.replaceAll(/\\(.)/g, '$1')]),
  );
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? DEFAULT_PORT : Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new UsageError(`“${text}” is not a port: a whole number from 1 to 65535.`);
}

function encryptionsOf(settings: Settings, env: Environment): Encryption[] {
  const mode = settings.sslmode ?? env.PGSSLMODE ?? 'prefer';
  if (!MODES.includes(mode)) throw new UsageError(`sslmode “${mode}” is not one of ${MODES.join(', ')}.`);
  if (mode === 'disable') return [false];
  const parameters = new URLSearchParams({ uselibpqcompat: 'true' });
  // libpq verifies no certificate either in a mode that may go without encryption.
  const strict = mode === 'verify-ca' || mode === 'verify-full' || mode === 'require';
  parameters.set('sslmode', strict ? mode : 'require');
  for (const [name, variable] of [
    ['sslrootcert', 'PGSSLROOTCERT'],
    ['sslcert', 'PGSSLCERT'],
    ['sslkey', 'PGSSLKEY'],
  ] as const) {
    const file = settings[name] || env[variable];
    // `system` names the system's certificates, which Node uses by default.
    if (!file || (name === 'sslrootcert' && file === 'system')) continue;
    refuseUnlessPem(name, file);
    parameters.set(name, file);
  }
  if (mode === 'verify-ca' && !parameters.has('sslrootcert')) {
    throw new UsageError(
      'sslmode=verify-ca needs the CA that signed the server’s certificate: sslrootcert=FILE or PGSSLROOTCERT. With a public CA use sslmode=verify-full.',
    );
  }
  const encrypted = tlsOf(parameters);
  if (mode === 'prefer') return [encrypted, false];
  return mode === 'allow' ? [false, encrypted] : [encrypted];
}

/** Refuses a file that is not PEM. Node accepts any file, and then says that the server's certificate is not trusted. */
function refuseUnlessPem(name: string, file: string): void {
  if (!readText(name, file).includes('-----BEGIN ')) {
    throw new UsageError(`${name} “${file}” holds no certificate and no key: it must be a file in PEM format.`);
  }
}

function readText(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${name} “${file}” cannot be read: ${(error as Error).message}`);
  }
}

function tlsOf(parameters: URLSearchParams): Encryption {
  try {
    const { ssl } = parse(`postgres://host/?${parameters}`);
    return typeof ssl === 'object' && ssl !== null ? { ...ssl } : { rejectUnauthorized: false };
  } catch (error) {
    throw new UsageError(`The TLS settings do not work: ${(error as Error).message}`);
  }
}
