import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import { serverUser } from '../../support/server/serverUser.js';
import { TemporaryFolder } from '../../support/temporaryFolder.js';
import { runDoctor } from './doctor.js';

const SECRET = 'ge heim@#1';

let folder: TemporaryFolder;
let encrypted: PostgresServer;
let plain: PostgresServer;

beforeAll(async () => {
  folder = await TemporaryFolder.make('test', await serverUser());
  await certify('server', 'subjectAltName=DNS:localhost,DNS:db.example', '-days', '2');
  await certify('address', 'subjectAltName=IP:127.0.0.1', '-days', '2');
  await writeFile(
    join(folder.path, 'hba.conf'),
    ['host all postgres all password', 'hostssl all monitor all scram-sha-256', 'hostssl all certified all cert'].join(
      '\n',
    ),
  );
  await folder.own(folder.path);
  await chmod(folder.path, 0o755);
  encrypted = await startPostgres({ settings: tlsSettings('server') });
  plain = await startPostgres();
  for (const server of [encrypted, plain]) {
    await server.admin(`create role monitor login password '${SECRET}' in role pg_monitor`);
    await server.admin('create role certified login');
  }
});

afterAll(async () => {
  await encrypted.stop();
  await plain.stop();
  await folder.remove();
});

/** A certificate that is signed by itself. */
async function certify(name: string, extension: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(
    'openssl',
    `req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=db.example -addext ${extension} -keyout ${name}.key -out ${name}.crt`
      .split(' ')
      .concat(args),
    { cwd: folder.path },
  );
}

const file = (name: string) => join(folder.path, name);

function tlsSettings(name: string): Record<string, string> {
  return {
    ssl: 'on',
    ssl_cert_file: file(`${name}.crt`),
    ssl_key_file: file(`${name}.key`),
    ssl_ca_file: file(`${name}.crt`),
    hba_file: file('hba.conf'),
  };
}

interface Wanted {
  server?: () => PostgresServer;
  host?: string;
  role?: string;
  sslmode?: string;
  /** The name of the file with the certificates that are trusted. */
  trusted?: string;
}

async function examineWith({ server = () => encrypted, host = '127.0.0.1', role, sslmode, trusted }: Wanted) {
  const url = new URL(`postgres://${role ?? 'monitor'}:${encodeURIComponent(SECRET)}@${host}:${server().port}/app`);
  if (sslmode) url.searchParams.set('sslmode', sslmode);
  if (trusted) url.searchParams.set('sslrootcert', file(trusted));
  const watching = runDoctor([url.href, '--seconds', '2']);
  const sessions = await server().admin<{ ssl: boolean }>(SESSIONS_SOON);
  const { code, stdout, stderr } = await watching;
  expect(stdout + stderr).not.toMatch(/heim/);
  return { code, stdout, stderr, ssl: sessions.map(({ ssl }) => ssl) };
}

const SESSIONS_SOON = `
  select ssl from pg_sleep(1), pg_stat_get_activity(null) where application_name = 'tenure-doctor'`;

describe('a server with TLS', () => {
  it.each<[string, Wanted]>([
    ['require: whoever signed it', { sslmode: 'require' }],
    ['prefer, the default', {}],
    ['allow, where the server wants it', { sslmode: 'allow' }],
    ['verify-ca: signed by one that is trusted, for whatever host', { sslmode: 'verify-ca', trusted: 'server.crt' }],
    ['verify-full: and for this host', { sslmode: 'verify-full', trusted: 'server.crt', host: 'localhost' }],
  ])('%s: the session is encrypted', async (_, wanted) => {
    const { code, stdout, stderr, ssl } = await examineWith(wanted);
    expect({ code, stderr, ssl }).toEqual({ code: 2, stderr: '', ssl: [true] });
    expect(stdout).toContain('as monitor');
  });

  it.each<[string, Wanted, string]>([
    [
      'verify-full: a certificate for another host',
      { sslmode: 'verify-full', trusted: 'server.crt' },
      'is for another host name (localhost, db.example)',
    ],
    [
      'verify-full: one that nobody has signed who is trusted',
      { sslmode: 'verify-full', host: 'localhost' },
      'is not trusted (self-signed certificate)',
    ],
    [
      'verify-ca: one that another has signed than the one that is trusted',
      { sslmode: 'verify-ca', trusted: 'address.crt' },
      'is not trusted (self-signed certificate)',
    ],
    ['disable, where the server wants TLS', { sslmode: 'disable' }, 'no encryption'],
    [
      'a role that needs a certificate of its own',
      { role: 'certified', sslmode: 'require' },
      'connection requires a valid client certificate',
    ],
  ])('%s: the cause is named, and no password', async (_, wanted, message) => {
    const { code, stderr, ssl } = await examineWith(wanted);
    expect(stderr).toContain(message);
    expect({ code, ssl }).toEqual({ code: 2, ssl: [] });
  });

  it.each<[string, Wanted, RegExp]>([
    ['that is not there', { sslmode: 'verify-full', trusted: 'none.crt' }, /^sslrootcert “.*none.crt” cannot be read/],
    ['that holds none', { sslmode: 'verify-full', trusted: 'hba.conf' }, /^sslrootcert “.*hba.conf” holds no certif/],
    ['that is not given', { sslmode: 'verify-ca' }, /^sslmode=verify-ca needs the CA .* sslrootcert=FILE/],
  ])('a file of trusted certificates %s is wrong use', async (_, wanted, message) => {
    const { code, stderr } = await examineWith(wanted);
    expect(stderr).toMatch(message);
    expect(code).toBe(64);
  });
});

describe('a server without TLS', () => {
  it.each(['require', 'verify-ca', 'verify-full'])('%s: the cause is named, and no password', async (sslmode) => {
    const { code, stderr } = await examineWith({ server: () => plain, sslmode, trusted: 'server.crt' });
    expect(stderr).toContain(`127.0.0.1:${plain.port} does not offer TLS`);
    expect(code).toBe(2);
  });

  it.each([undefined, 'allow', 'disable'])('sslmode %s: goes without', async (sslmode) => {
    const { code, stderr, ssl } = await examineWith({ server: () => plain, ...(sslmode && { sslmode }) });
    expect({ code, stderr, ssl }).toEqual({ code: 2, stderr: '', ssl: [false] });
  });
});

it('a host that is an address: it must be in the certificate', async () => {
  await using server = await startPostgres({ settings: tlsSettings('address') });
  await server.admin(`create role monitor login password '${SECRET}' in role pg_monitor`);
  const wanted = { server: () => server, sslmode: 'verify-full', trusted: 'address.crt' };
  expect(await examineWith(wanted)).toMatchObject({ code: 2, stderr: '', ssl: [true] });
  expect((await examineWith({ ...wanted, host: 'localhost' })).stderr).toContain('is for another host name');
});
