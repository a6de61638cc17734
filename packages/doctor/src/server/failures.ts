import type { Target } from './target.js';

/** The cause of a failed connection, in words for the person who gave the URL. */
export class ConnectionFailure extends Error {
  override readonly name = 'ConnectionFailure';
  /** SQLSTATE, or a code of Node's. */
  readonly code: string;
  /** Whether it may be over in a moment: the server is full, starting, or was there before. */
  readonly passing: boolean;

  constructor(message: string, code: string, passing: boolean, cause: unknown) {
    super(message, { cause });
    this.code = code;
    this.passing = passing;
  }
}

/** The server asks for a password, and none was found. */
export const NO_PASSWORD = 'NO_PASSWORD';
const NO_SSL = 'The server does not support SSL connections';
const PASSING = new Set(['53300', '57P01', '57P02', '57P03']);
/** Codes that mean a restart, if the server was there before. */
const LOST = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'LOST', 'TIMEOUT']);

/** Whether the connect failed only because the server lacks the encryption that was used, or requires the one that was not. */
export function isEncryptionOffer(error: unknown): boolean {
  const { message = '', code } = error as { message?: string; code?: string };
  return message.includes(NO_SSL) || (code === '28000' && /no encryption|SSL off|SSL encryption/i.test(message));
}

/** @param wasThere whether the doctor was connected before; a refused connect then means a restart */
export function failureOf(error: unknown, target: Target, wasThere: boolean): ConnectionFailure {
  if (error instanceof ConnectionFailure) return error;
  const code = codeOf(error);
  const passing = PASSING.has(code) || (wasThere && LOST.has(code));
  return new ConnectionFailure(messageOf(error, code, target), code, passing, error);
}

function codeOf(error: unknown): string {
  const { code, message = '' } = error as { code?: string; message?: string };
  if (code) return code;
  if (/timeout expired|timed out|Query read timeout/i.test(message)) return 'TIMEOUT';
  if (/Connection terminated|not queryable|Client was closed/i.test(message)) return 'LOST';
  if (message.includes(NO_SSL)) return 'NO_TLS';
  return 'UNKNOWN';
}

type Say = (target: Target, message: string, error: unknown) => string;

const at = ({ host, port }: Target) => (host.startsWith('/') ? `the socket ${host}, port ${port}` : `${host}:${port}`);

const TLS_UNTRUSTED: Say = (target, message) =>
  `The TLS certificate of ${at(target)} is not trusted (${message}). Name the CA that signed it with sslrootcert=FILE, or use sslmode=require to encrypt without a check.`;

const MESSAGES: Readonly<Record<string, Say>> = {
  ECONNREFUSED: (target) =>
    `Nothing accepts connections at ${at(target)}. Is PostgreSQL running there, and does it listen on that address?`,
  ENOENT: (target) => `There is no server at ${at(target)}. Start PostgreSQL, or name the folder of its socket.`,
  ENOTFOUND: (target) => `The host name ${target.host} is not known. Is it spelled right, and is it known from here?`,
  EAI_AGAIN: (target) => `The host name ${target.host} could not be looked up: the name server does not answer.`,
  EHOSTUNREACH: (target) => `There is no route to ${at(target)}. Check the address, the VPN and the firewall.`,
  ENETUNREACH: (target) =>
    `There is no route to the network of ${at(target)}. Check the address, the VPN and the firewall.`,
  ETIMEDOUT: (target) => `No answer from ${at(target)}: a firewall, a wrong address, or a server that hangs.`,
  TIMEOUT: (target) => `No answer from ${at(target)} in time: a firewall, a wrong address, or a server that hangs.`,
  ECONNRESET: (target) =>
    `${at(target)} closed the connection. Is that PostgreSQL, and does it want TLS (sslmode=require)?`,
  LOST: (target) => `${at(target)} closed the connection. Is that PostgreSQL, and was it restarted just now?`,
  NO_TLS: (target) =>
    `${at(target)} does not offer TLS, and this sslmode needs it. Enable TLS on the server (ssl = on), or use sslmode=prefer.`,
  [NO_PASSWORD]: (target) =>
    `The server asks for a password for the role ${target.user}. Put it in the URL, in PGPASSWORD or in .pgpass, or run the doctor in a terminal, where it asks for it.`,
  '28P01': (target) => `The password for the role ${target.user} is wrong. Correct the URL, PGPASSWORD or .pgpass.`,
  '28000': (target, message) => `The server does not let ${target.user} in: ${message}.`,
  '3D000': (target) => `There is no database ${target.database} at ${at(target)}. \`psql -l\` lists those that exist.`,
  '42501': (target, message) => `The role ${target.user} may not do this: ${message}.`,
  '53300': (_, message) => `The server is full: ${message}.`,
  '57P03': (_, message) => `The server does not accept connections at the moment: ${message}.`,
  '08P01': (target, message) => `${at(target)} does not accept the connection: ${message}.`,
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS_UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: TLS_UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS_UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS_UNTRUSTED,
  CERT_HAS_EXPIRED: (target) => `The TLS certificate of ${at(target)} has expired.`,
  ERR_TLS_CERT_ALTNAME_INVALID: (target, _, error) =>
    `The TLS certificate of ${at(target)} is for another host name${namesIn(error)}. Connect by a name that it has, or use sslmode=verify-ca, which does not compare the name.`,
};

/** The host names of the certificate that was refused. */
function namesIn(error: unknown): string {
  const { cert } = error as { cert?: { subjectaltname?: string; subject?: { CN?: string } } };
  const names = cert?.subjectaltname ?? cert?.subject?.CN;
  return names === undefined ? '' : ` (${names.replaceAll(/\b(DNS|IP Address):/g, '')})`;
}

function messageOf(error: unknown, code: string, target: Target): string {
  // A host name with several addresses fails with one error for each.
  const { message = '', errors } = error as { message?: string; errors?: Error[] };
  const text = (message || errors?.[0]?.message || String(error)).replace(/\.$/, '');
  return (
    MESSAGES[code]?.(target, text, error) ??
    `No connection to ${at(target)}: ${text}${code === 'UNKNOWN' ? '' : ` (${code})`}.`
  );
}
