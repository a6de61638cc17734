import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../support/freePort.js';
import { type PostgresServer, startPostgres } from '../../support/postgres.js';
import { violations } from '../../unit/doctor/schema.js';
import { alarmsOf, examine, runDoctor } from './doctor.js';
import { load } from './scenarios.js';

const SECRET = 'ge heim@#1';
/** PostgreSQL’s ErrorResponse. */
const TOO_MANY_CLIENTS = 'E\0\0\0\x25SFATAL\0C53300\0Mtoo many clients\0\0\0';
const within = (seconds: number) => (seconds + 10) * 1_000;

let postgres: PostgresServer;
let folder: string;
let stopLoad: () => Promise<unknown>;
const clients: pg.Client[] = [];

beforeAll(async () => {
  postgres = await startPostgres({ maxConnections: 20 });
  folder = await mkdtemp(join(tmpdir(), 'tenure-doctor-'));
  await postgres.admin(`create role plain login password '${SECRET}'`);
  await postgres.admin(`create role monitor login password '${SECRET}' in role pg_monitor`);
  stopLoad = await startLoad();
});

afterAll(async () => {
  await stopLoad();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Six sessions of the app, at work. */
async function startLoad() {
  // None is closed for being idle: on a busy machine one may be for ten seconds.
  const pool = new pg.Pool({ connectionString: postgres.url, max: 6, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  // All are open before the load, which need not want six at one moment.
  await Promise.all(Array.from({ length: 6 }, () => pool.query('select pg_sleep(0.2)')));
  const stop = load(6, 150, () => pool.query('select pg_sleep(0.05)'));
  return () => stop().then(() => pool.end());
}

function urlOf(role: string): string {
  return `postgres://${role}:${encodeURIComponent(SECRET)}@127.0.0.1:${postgres.port}/app`;
}

describe('as a role', () => {
  it('without a grant: says what it cannot see, and which GRANT would help', async () => {
    const { report, code } = await examine([urlOf('plain'), '--seconds', '3']);
    expect(code).toBe(2);
    expect(report.findings).toMatchObject([
      { id: 'cannot-tell', evidence: { reason: 'no-rights', role: 'plain', hiddenShare: 1 } },
    ]);
    expect(report.findings[0]!.fix).toContain('GRANT pg_monitor TO "plain"');
  });

  it.each(['monitor', 'superuser', 'the app’s own'])('%s: sees enough to say healthy', async (role) => {
    const url = role === 'monitor' ? urlOf(role) : role === 'superuser' ? postgres.superuserUrl : postgres.url;
    const { report, code, stderr } = await examine([url, '--seconds', '3']);
    expect({ code, verdict: report.verdict, stderr }).toEqual({ code: 0, verdict: 'healthy', stderr: '' });
    expect(report.server.hiddenShare).toBe(0);
    expect(report.groups).toMatchObject([{ name: 'app@app' }]);
    expect(violations(report)).toEqual([]);
  });
});

describe('what it writes', () => {
  it('a recording that is judged alike, a page, and text', async () => {
    const [record, html] = [join(folder, 'a.jsonl'), join(folder, 'a.html')];
    const { report } = await examine([urlOf('monitor'), '--seconds', '2', '--record', record, '--html', html]);
    expect((await examine(['--replay', record])).report).toEqual(report);
    expect(await readFile(html, 'utf8')).toMatch(/^<!doctype html>/);
    expect(await readFile(record, 'utf8')).not.toContain('heim');
    const text = await runDoctor(['--replay', record]);
    expect(text.code).toBe(0);
    expect(text.stdout).toMatch(/^PostgreSQL 18\.4, database app, as monitor/);
  });

  it('one picture of the live view', async () => {
    const { code, stdout } = await runDoctor([urlOf('monitor'), '--watch', '--once']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/6 of 17\n.* opened and .* ended a second/);
    expect(stdout).toMatch(/\d+ app@app .*█/);
  });

  it('nothing to the server: its session is read-only, and the settings are those of a question', async () => {
    const watching = runDoctor([urlOf('monitor'), '--seconds', '3']);
    const seen: string[] = [];
    for (let look = 0; look < 30; look++) {
      const rows = await postgres.activity({ applicationName: 'tenure-doctor' });
      seen.push(...rows.map(({ query }) => query));
      await sleep(100);
    }
    await watching;
    expect(seen.length).toBeGreaterThan(0);
    // A session that was seen before it had sent anything has an empty text.
    for (const query of seen.filter(Boolean))
      expect(query).toMatch(/^begin read only; set local search_path = pg_catalog;/);
  });

  it('nothing by other hands: a function of that name which the owner of the database has made is not called', async () => {
    await postgres.admin('create database trap owner app');
    const trap = new pg.Client(postgres.url.replace(/\/app$/, '/trap'));
    await trap.connect();
    await trap.query(`
      create schema trap;
      create function trap.current_setting(text) returns text language plpgsql as $$ begin raise 'caught'; end $$;
      create function trap.pg_stat_get_activity(text) returns int language plpgsql as $$ begin raise 'caught'; end $$;
      alter database trap set search_path = trap, pg_catalog`);
    await trap.end();
    const { report, stderr } = await examine([postgres.superuserUrl.replace(/\/app$/, '/trap'), '--seconds', '2']);
    expect(stderr).toBe('');
    expect(report.server.samples).toBeGreaterThan(2);
  });
});

describe('at a server that is full', () => {
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.end())));

  it('says so from the refusals, leaves the reserved slots alone, and takes one with --reserved', async () => {
    // Whatever the app has open: until one is refused.
    for (;;) {
      const client = new pg.Client(postgres.url);
      const refused = await client.connect().catch((error: { code: string }) => error.code);
      if (refused === '53300') break;
      clients.push(client);
    }
    const [plain, superuser, reserved] = await Promise.all([
      examine([urlOf('monitor'), '--seconds', '3']),
      examine([postgres.superuserUrl, '--seconds', '3']),
      examine([postgres.superuserUrl, '--seconds', '3', '--reserved']),
    ]);
    for (const { report, code, ms } of [plain, superuser]) {
      expect(alarmsOf(report)).toEqual(['full']);
      expect(report.server).toMatchObject({ samples: 0 });
      expect(report.server.refusals).toBeGreaterThan(1);
      expect(code).toBe(1);
      expect(ms).toBeLessThan(within(3));
    }
    expect(superuser.report.findings[0]!.evidence.refusal).toContain('--reserved');
    expect(alarmsOf(reserved.report)).toEqual(['full']);
    // The refused logins of the other two may be among the sessions that it sees.
    expect(reserved.report.server).toMatchObject({ limit: 17 });
    expect(reserved.report.server.peak).toBeGreaterThanOrEqual(17);
    expect(reserved.report.server.samples).toBeGreaterThan(0);
  });
});

describe('a server that is restarted in mid-window', () => {
  it('is asked again, and judged by the time without a restart', async () => {
    await stopLoad();
    const examining = examine([urlOf('monitor'), '--seconds', '8']);
    await expect.poll(() => postgres.activity({ applicationName: 'tenure-doctor' })).toHaveLength(1);
    await sleep(500);
    await postgres.stopServer('immediate');
    await sleep(500);
    await postgres.startServer();
    stopLoad = await startLoad();
    const { report, code, ms } = await examining;
    expect(ms).toBeLessThan(within(8));
    expect([0, 2]).toContain(code);
    expect(report.server.samples).toBeGreaterThan(5);
  });
});

describe('no connection', () => {
  it.each([
    [
      'a wrong password',
      () => `postgres://monitor:${SECRET.slice(0, 3)}x@127.0.0.1:${postgres.port}/app`,
      'The password for the role monitor is wrong.',
    ],
    [
      'no password',
      () => `postgres://monitor@127.0.0.1:${postgres.port}/app`,
      'The server asks for a password for the role monitor.',
    ],
    ['an unknown database', () => urlOf('monitor').replace('/app', '/none'), 'There is no database none at 127.0.0.1:'],
    ['TLS that the server does not have', () => `${urlOf('monitor')}?sslmode=require`, 'does not offer TLS'],
    ['an unknown host', () => 'postgres://me:geheim@no-such-host.invalid/app', 'The host name no-such-host.invalid'],
  ])('%s: a clear error, exit code 2, no password', async (_, url, message) => {
    const { code, stdout, stderr, ms } = await runDoctor([url().replace('ge x', 'ge%20x'), '--seconds', '3']);
    expect(stderr).toContain(message);
    expect(stdout).toContain('The doctor got no connection');
    expect(code).toBe(2);
    expect(stdout + stderr).not.toMatch(/heim/);
    expect(ms).toBeLessThan(within(3));
  });

  describe('something else listens', () => {
    let server: Server;
    const sockets: Socket[] = [];

    async function listen(onConnection: (socket: Socket) => void): Promise<number> {
      const port = await freePort();
      server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        onConnection(socket);
      });
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      return port;
    }

    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
      server.close();
    });

    it('that is full at first, and then too busy to refuse: what was refused counts', async () => {
      let logins = 0;
      const port = await listen((socket) => {
        if (++logins <= 3) socket.once('data', () => socket.end(TOO_MANY_CLIENTS));
      });
      const url = `postgres://me:geheim@127.0.0.1:${port}/app?sslmode=disable`;
      const { report, code, ms } = await examine([url, '--seconds', '3']);
      expect(alarmsOf(report)).toEqual(['full']);
      expect(report.server.refusals).toBe(3);
      expect(code).toBe(1);
      expect(ms).toBeLessThan(within(3));
    });

    it.each<[string, (socket: Socket) => void, RegExp]>([
      ['and never answers', () => {}, /^No answer from 127\.0\.0\.1:\d+ in time/],
      ['and hangs up', (socket) => socket.end(), /closed the connection/],
      ['and speaks HTTP', (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), /127\.0\.0\.1/],
    ])('%s', async (_, onConnection, message) => {
      const port = await listen(onConnection);
      const { code, stderr, ms } = await runDoctor([`postgres://me:geheim@127.0.0.1:${port}/app`, '--seconds', '3']);
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
      expect(ms).toBeLessThan(within(3));
    });
  });
});

describe('wrong use', () => {
  it.each([
    [['--seconds', '0'], /^--seconds “0” is not a number/],
    [[''], /^The URL is empty/],
    [['postgres://me:geheim@host:port/db'], /^The URL .* is not valid/],
    [['--replay', '/no/such/file'], /^--replay \/no\/such\/file cannot be read/],
    [['--watch', 'postgres://db'], /^--watch needs a terminal/],
  ])('%j: exit code 64', async (args, message) => {
    const { code, stdout, stderr } = await runDoctor(args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).not.toContain('geheim');
  });

  it('the help and the version are no wrong use', async () => {
    const [help, version] = await Promise.all([runDoctor(['--help']), runDoctor(['--version'])]);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--until-sure');
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
