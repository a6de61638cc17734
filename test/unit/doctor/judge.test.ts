import { judge, type Recording } from '@tenure/doctor';
import { describe, expect, it } from 'vitest';
import { recordingNamed } from './recordings.js';
import { type Acting, many, type Shape, windowOf } from './streams.js';

/** All findings above info: id and severity, most severe first. */
function alarms(recording: Recording): string[] {
  const { findings } = judge(recording);
  return findings.filter(({ severity }) => severity !== 'info').map(({ id, severity }) => `${severity} ${id}`);
}

function alarmsOf(sessions: readonly Acting[], shape?: Shape): string[] {
  return alarms(windowOf(sessions, shape));
}

function findingOf(recording: Recording, id: string) {
  return judge(recording).findings.find((finding) => finding.id === id);
}

/** A pool at work: each of its sessions many times a second. */
const busyPool = (size: number, more: Acting = {}) => many(size, () => ({ every: 0.15, ...more }));

describe('recorded apps', () => {
  it.each([
    ['django-eventlet', ['critical full', 'critical not-reused']],
    ['django-eventlet-timeouts', ['critical full', 'critical not-reused']],
    ['django-eventlet-reconnects', ['critical full', 'critical not-reused']],
    ['django-gevent', ['critical full', 'critical not-reused']],
    ['django-sync', []],
    ['knex-10', []],
    ['knex-per-request', ['critical per-request', 'warning full']],
    ['pgpool-10-dup', ['critical closed-by-errors']],
  ])('%s: %j', (name, expected) => {
    expect(alarms(recordingNamed(name))).toEqual(expected);
  });

  it.each([
    ['django-sync', 'healthy'],
    ['knex-10', 'healthy'],
  ])('%s is healthy in each ten seconds of it that show work', (name, expected) => {
    for (const part of parts(recordingNamed(name), 10_000)) expect(judge(part).verdict).toBe(expected);
  });

  it.each([
    ['knex-per-request', 'per-request'],
    ['pgpool-10-dup', 'closed-by-errors'],
  ])('%s is %s first in each ten seconds of it', (name, expected) => {
    for (const part of parts(recordingNamed(name), 10_000)) expect(judge(part).findings[0]?.id).toBe(expected);
  });

  it('judges alike whatever is recorded of the application name', () => {
    const recording = recordingNamed('knex-10');
    const samples = recording.samples.map((sample) => ({
      ...sample,
      sessions: sample.sessions.map((session) => ({ ...session, application: `puma: cluster worker ${session.pid}` })),
    }));
    const { verdict, facts } = judge({ ...recording, samples });
    expect(verdict).toBe('healthy');
    expect(facts.groups[0]).toMatchObject({ application: 'puma: cluster worker #', stack: 'rails', peak: 80 });
  });
});

/** Windows of a length, one beginning each second. */
function parts(recording: Recording, ms: number): Recording[] {
  const { samples } = recording;
  const from = samples[0]!.at;
  const starts = Array.from({ length: 60 }, (_, second) => from + second * 1_000);
  return starts
    .filter((start) => start + ms <= samples.at(-1)!.at)
    .map((start) => ({ ...recording, samples: samples.filter(({ at }) => at >= start && at <= start + ms) }));
}

describe('full', () => {
  it('is critical when sessions hold all slots, and says for how long', () => {
    const recording = windowOf(busyPool(97));
    expect(alarms(recording)).toEqual(['critical full']);
    expect(findingOf(recording, 'full')?.evidence).toMatchObject({ limit: 97, peak: 97, fullSeconds: 10 });
  });

  it.each([
    [96, ['critical full']],
    [90, ['warning full']],
    [70, []],
  ])('with %i of 97 taken: %j', (size, expected) => {
    expect(alarmsOf(busyPool(size))).toEqual(expected.map((alarm) => (size === 96 ? 'critical full' : alarm)));
  });

  it('counts the limit of a role', () => {
    const recording = windowOf(busyPool(10), { server: { roleLimits: { app: 10 } } });
    expect(findingOf(recording, 'full')).toMatchObject({ severity: 'critical', evidence: { limitOf: 'role app' } });
  });

  it('is found by the refusals alone when the doctor never got in', () => {
    const refusals = [{ at: 1, code: '53300', message: 'The server is full: sorry, too many clients already.' }];
    const { verdict, findings } = judge({ server: null, samples: [], refusals, plans: null });
    expect(verdict).toBe('findings');
    expect(findings.map(({ id }) => id)).toEqual(['full', 'cannot-tell']);
    expect(findings[0]!.evidence).toMatchObject({ ownLoginsRefused: 1, refusal: refusals[0]!.message });
  });
});

describe('not-reused', () => {
  const unused = (size: number, more: Acting = {}) => many(size, () => ({ ...more }));
  const births = (number: number, more: Acting = {}) =>
    many(number, (index) => ({ from: 0.5 + index * (9 / number), ...more }));

  it('is found where connections are opened beside others that lie unused', () => {
    const recording = windowOf([...unused(20), ...births(10), ...busyPool(5)]);
    expect(alarms(recording)).toEqual(['warning not-reused']);
    expect(findingOf(recording, 'not-reused')?.evidence).toMatchObject({ births: 10, confirmed: false });
    expect(findingOf(recording, 'not-reused')?.evidence.unused).toBeGreaterThanOrEqual(20);
    expect(judge(recording).unsettled).toBe(true);
  });

  it('is critical where a second window shows the same', () => {
    const sessions = [...unused(20), ...many(20, (index) => ({ from: 0.5 + index * 0.9 })), ...busyPool(5)];
    expect(alarmsOf(sessions, { seconds: 20 })).toEqual(['critical not-reused']);
  });

  it('is critical at a full server that refuses logins, without a single birth', () => {
    const logins = many(8, (index) => ({ from: index * 0.1, login: true }));
    expect(alarmsOf([...unused(60), ...busyPool(35), ...logins])).toContain('critical not-reused');
  });

  it.each<[string, Acting[], Shape?]>([
    ['a warm-up that ends', [...unused(20), ...many(30, (index) => ({ from: 0.1 + index * 0.05, every: 0.2 }))]],
    ['connections kept open for a minimum', [...unused(8), ...busyPool(5)]],
    ['a pool that is opened ahead of need', [...unused(20), ...births(10, { untouched: true }), ...busyPool(5)]],
    [
      'unused ones on another machine',
      [...unused(20, { address: '10.0.0.1' }), ...births(10, { address: '10.0.0.2', every: 0.2 })],
    ],
    [
      'renewal by age: as many old ones end as are opened',
      [
        ...unused(20),
        ...busyPool(5),
        ...births(10, { every: 0.2 }),
        ...many(10, (index) => ({ from: -600, to: 0.6 + index * 0.9, every: 0.3 })),
      ],
    ],
    [
      'a pool that breathes: idle ones end, a burst opens others, all are used',
      [...unused(6), ...many(12, (index) => ({ from: index * 0.7, to: index * 0.7 + 5, every: 0.5 })), ...busyPool(10)],
    ],
    ['one burst at the end', [...unused(20), ...many(10, () => ({ from: 9.1 })), ...busyPool(5)]],
    ['fewer than five unused', [...unused(4), ...births(10, { every: 0.2 })]],
    ['few unused of many', [...unused(8), ...busyPool(50), ...births(10, { every: 0.2 })]],
  ])('is not found in %s', (_, sessions, shape) => {
    expect(alarmsOf(sessions, shape)).not.toContainEqual(expect.stringContaining('not-reused'));
  });

  it('asks for a second window after a warm-up beside unused connections', () => {
    expect(judge(windowOf([...unused(20), ...many(30, (i) => ({ from: 0.1 + i * 0.05, every: 0.2 }))])).unsettled).toBe(
      true,
    );
    expect(judge(windowOf(busyPool(20))).unsettled).toBe(false);
  });
});

describe('per-request', () => {
  const requests = (number: number, life: number, seconds = 10) =>
    many(number, (index) => ({
      from: (index * seconds) / number,
      to: (index * seconds) / number + life,
      every: 0.8 * life,
    }));

  it('is found where each connection serves a request', () => {
    const recording = windowOf(requests(100, 0.5));
    expect(alarms(recording)).toEqual(['critical per-request']);
    expect(findingOf(recording, 'per-request')?.evidence).toMatchObject({ opened: 99, transactionsPerSession: 1 });
  });

  it('is a warning where there are few', () => {
    expect(alarmsOf(requests(30, 0.5))).toEqual(['warning per-request']);
  });

  it('is found where most live too short to be seen', () => {
    const recording = windowOf(busyPool(3), { unseen: (second) => second * 20 });
    expect(alarms(recording)).toEqual(['critical per-request']);
    expect(findingOf(recording, 'per-request')?.evidence).toMatchObject({ opened: 200, seen: 0 });
  });

  it('names the group of those that are not seen only where the few that are agree', () => {
    const unseen = { unseen: (second: number) => second * 20 };
    const seen = many(4, (index) => ({ from: index * 2, to: index * 2 + 0.5, application: 'cron' }));
    expect(findingOf(windowOf([...busyPool(3), ...seen], unseen), 'per-request')?.group).toBe('cron (app@shop)');
    const grown = many(2, (index) => ({ from: 3 + index, every: 0.2 }));
    expect(findingOf(windowOf([...busyPool(3), ...grown], unseen), 'per-request')?.group).toBeNull();
  });

  it('is found where transactions are rolled back for lack of a COMMIT', () => {
    const recording = windowOf(requests(100, 0.5), { rollbacks: (second) => second * 10 });
    expect(alarms(recording)).toEqual(['critical per-request']);
    expect(findingOf(recording, 'per-request')?.what).toContain('without COMMIT');
  });

  it.each<[string, Acting[], Shape?]>([
    ['a script that runs for a moment', requests(60, 0.1, 2)],
    ['a script every few seconds', many(12, (index) => ({ from: index * 0.8, to: index * 0.8 + 0.3 }))],
    ['sessions that were counted late', busyPool(20), { unseen: (second) => (second > 5 ? 40 : 0) }],
    [
      'a rolling restart',
      many(80, (index) => {
        const restart = 1 + Math.floor(index / 10);
        return index % 2 ? { from: restart, every: 0.1 } : { from: -500, to: restart, every: 0.1 };
      }),
    ],
  ])('is not found in %s', (_, sessions, shape) => {
    expect(alarmsOf([...busyPool(5), ...sessions], shape)).toEqual([]);
  });

  it('is only mentioned of a tool', () => {
    expect(alarmsOf(requests(60, 0.5).map((one) => ({ ...one, application: 'psql' })))).toEqual([]);
  });
});

describe('closed-by-errors', () => {
  const failing = many(60, (index) => ({ from: index * 0.16, to: index * 0.16 + 1, every: 0.3 }));

  it('is found where as many transactions are rolled back as connections are opened', () => {
    expect(alarmsOf(failing, { rollbacks: (second) => second * 6 })).toEqual(['critical closed-by-errors']);
  });

  it('is found although nobody was in its database at the first look', () => {
    const recording = windowOf(failing, { rollbacks: (second) => second * 6 });
    const samples = recording.samples.map((sample, index) => (index < 3 ? { ...sample, counters: {} } : sample));
    expect(alarms({ ...recording, samples })).toEqual(['critical closed-by-errors']);
  });

  it('is not found where a pool rolls back on purpose', () => {
    expect(alarmsOf(busyPool(20), { rollbacks: (second) => second * 30 })).toEqual([]);
  });

  it('is not found in a rolling restart beside rollbacks on purpose', () => {
    const old = many(40, (index) => ({ from: -500, to: 1 + Math.floor(index / 5), every: 0.5 }));
    const young = many(40, (index) => ({ from: 1.2 + Math.floor(index / 5), every: 0.5 }));
    expect(alarmsOf([...old, ...young], { rollbacks: (second) => second * 4 })).toEqual([]);
  });
});

describe('fleet-too-large', () => {
  const logins = many(40, (index) => ({ from: index * 0.25, to: index * 0.25 + 1, login: true }));

  it('is found where all that is open is used and logins wait', () => {
    expect(alarmsOf([...busyPool(95), ...logins])).toEqual(['critical full', 'critical fleet-too-large']);
  });

  it('is not found where the server is full and nobody waits', () => {
    expect(alarmsOf(busyPool(96))).toEqual(['critical full']);
  });
});

describe('open-transaction', () => {
  const idle = (since: number, more: Acting = {}): Acting => ({
    state: 'idle in transaction',
    since,
    transactionSince: since,
    ...more,
  });

  it.each<[string, Acting[], string[]]>([
    ['idle for a minute', [...busyPool(20), idle(-60)], ['warning open-transaction']],
    ['idle for five minutes', [...busyPool(20), idle(-300)], ['critical open-transaction']],
    [
      'failed, and idle for ten seconds',
      [...busyPool(20), idle(-1, { state: 'idle in transaction (aborted)' })],
      ['warning open-transaction'],
    ],
    ['a third of its group, all the time', [...busyPool(2), idle(-1)], ['warning open-transaction']],
    ['a person at psql, thinking', [...busyPool(5), idle(-1, { application: 'psql' })], []],
    ['idle for twenty seconds among many', [...busyPool(20), idle(-10)], []],
    [
      'a batch that works in between',
      [...busyPool(5), { ...busyPool(1)[0]!, state: 'idle in transaction', transactionSince: -600 }],
      [],
    ],
  ])('%s', (_, sessions, expected) => {
    expect(alarmsOf(sessions)).toEqual(expected);
  });

  it('is critical when others wait for it', () => {
    const waiting = many(3, () => ({ state: 'active', since: 9.9, waitEvent: 'transactionid', waitsFor: [7] }));
    expect(alarmsOf([...busyPool(20), idle(-60, { pid: 7 }), ...waiting])).toContain('critical open-transaction');
  });

  it('names the session, its last statement and what it holds back', () => {
    const recording = windowOf([...busyPool(5), idle(-400, { pid: 7, application: 'worker' })]);
    const statements = { '7': { text: 'update orders set state = ? where id = $1', horizonAge: 1_234 } };
    const samples = recording.samples.map((sample) => ({ ...sample, statements }));
    const finding = findingOf({ ...recording, samples }, 'open-transaction');
    expect(finding?.evidence).toMatchObject({ pid: 7, application: 'worker', horizonAge: 1_234 });
    expect(finding?.what).toMatch(/Session 7 .* 6\.8\u00a0min.*update orders set state.*1,234 transactions/);
  });
});

describe('lock-waits', () => {
  const waiting = (more: Acting = {}): Acting => ({
    state: 'active',
    since: 1,
    waitEvent: 'transactionid',
    waitsFor: [7],
    ...more,
  });
  const blocker: Acting = { pid: 7, state: 'active', since: 0, application: 'migration' };

  it('is found where a fifth of a group waits, and names the session that all wait for', () => {
    const recording = windowOf([
      ...busyPool(8),
      ...many(4, () => waiting()),
      blocker,
      waiting({ waitsFor: [1_008], waitEvent: 'tuple' }),
    ]);
    expect(alarms(recording)).toEqual(['critical lock-waits']);
    expect(findingOf(recording, 'lock-waits')?.evidence).toMatchObject({
      blocker: 7,
      blockerApplication: 'migration',
      waiting: 5,
    });
  });

  it.each<[string, Acting[]]>([
    ['one that waits for a moment', [...busyPool(3), waiting({ from: 2, to: 3 })]],
    ['few of many', [...busyPool(30), ...many(3, () => waiting())]],
    ['workers that choose a leader', [...busyPool(3), ...many(3, () => waiting({ waitEvent: 'advisory' }))]],
    [
      'work that reads from disk',
      [...busyPool(3), ...many(3, () => ({ state: 'active', since: 0, waitEvent: 'DataFileRead' }))],
    ],
  ])('is not found in %s', (_, sessions) => {
    expect(alarmsOf([...sessions, blocker])).toEqual([]);
  });
});

describe('the lesser findings', () => {
  it('oversized: information in a short window, a warning in a minute', () => {
    const sessions = [...busyPool(4), ...many(36, () => ({}))];
    expect(judge(windowOf(sessions)).findings).toMatchObject([
      { id: 'oversized', severity: 'info', evidence: { unused: 36, needed: 8 } },
    ]);
    expect(alarmsOf(sessions, { seconds: 60 })).toEqual(['warning oversized']);
  });

  it('same-age: connections of one birth that end at a round age and come again', () => {
    const old = many(10, () => ({ from: -596, to: 4, every: 0.2 }));
    const young = many(10, () => ({ from: 4.1, every: 0.2 }));
    expect(alarmsOf([...old, ...young, ...busyPool(5)])).toEqual(['warning same-age']);
  });

  it('same-age: a restart at any other age is only mentioned', () => {
    const old = many(10, () => ({ from: -583, to: 4, every: 0.2 }));
    const young = many(10, () => ({ from: 4.1, every: 0.2 }));
    expect(alarmsOf([...old, ...young, ...busyPool(5)])).toEqual([]);
    expect(findingOf(windowOf([...old, ...young]), 'same-age')?.severity).toBe('info');
  });

  it('clients-vanish: one by one it is a warning, at once it is a deployment', () => {
    const going = many(20, (index) => ({ from: -100 + index, to: 0.5 + index * 0.45, every: 0.3 }));
    expect(alarmsOf([...busyPool(5), ...going], { abandoned: (second) => second * 2 })).toEqual([
      'warning clients-vanish',
    ]);
    const gone = many(20, () => ({ to: 5, every: 0.3 }));
    expect(alarmsOf([...busyPool(5), ...gone], { abandoned: (second) => (second > 5 ? 20 : 0) })).toEqual([]);
  });

  it('half-open: an address from which nothing has come for hours', () => {
    const silent = many(3, () => ({ address: '10.0.0.9', since: -3 * 3_600, from: -4 * 3_600 }));
    const finding = findingOf(windowOf([...busyPool(5, { address: '10.0.0.1' }), ...silent]), 'half-open');
    expect(finding).toMatchObject({ severity: 'info', evidence: { address: '10.0.0.9', sessions: 3 } });
    expect(findingOf(windowOf([...busyPool(5, { address: '10.0.0.9' }), ...silent]), 'half-open')).toBeUndefined();
  });

  it('login-storm: logins all the time that nothing else explains', () => {
    const logins = many(40, (index) => ({ from: index * 0.25, to: index * 0.25 + 1, login: true }));
    const recording = windowOf([...busyPool(10), ...logins]);
    expect(alarms(recording)).toEqual(['warning login-storm']);
    expect(findingOf(recording, 'login-storm')?.cause).toMatch(/^Likeliest: they are refused/);
  });

  it('not-prepared: most statements are planned each time', () => {
    const recording = { ...windowOf(busyPool(5)), plans: { calls: 1_000, callsPlannedEachTime: 900 } };
    expect(findingOf(recording, 'not-prepared')?.evidence).toMatchObject({ share: 0.9 });
    expect(
      findingOf({ ...recording, plans: { calls: 1_000, callsPlannedEachTime: 100 } }, 'not-prepared'),
    ).toBeUndefined();
  });

  it('behind-pooler: what is found of the connections is said to be the pooler’s', () => {
    const recording = windowOf(busyPool(5), { server: { pooler: true } });
    expect(judge(recording)).toMatchObject({
      verdict: 'healthy',
      findings: [{ id: 'behind-pooler', severity: 'info' }],
    });
    const requests = many(100, (index) => ({ from: index * 0.1, to: index * 0.1 + 0.5 }));
    expect(findingOf(windowOf(requests, { server: { pooler: true } }), 'per-request')?.what).toContain(
      'A pooler is in between',
    );
  });
});

describe('cannot-tell', () => {
  it.each<[string, Recording, string]>([
    ['a quiet window', windowOf(many(20, () => ({}))), 'quiet'],
    [
      'a quiet window without a header',
      windowOf(
        many(20, () => ({})),
        { server: null },
      ),
      'quiet',
    ],
    [
      'sessions of roles that are hidden',
      windowOf([...busyPool(5), ...many(5, () => ({ hidden: true, user: 'other' }))]),
      'no-rights',
    ],
    ['counters that were reset', windowOf(busyPool(5), { resetAt: 5 }), 'stats-reset'],
    ['a window of a second', windowOf(busyPool(5), { seconds: 1 }), 'too-short'],
  ])('%s', (_, recording, reason) => {
    const { verdict, findings } = judge(recording);
    expect(verdict).toBe('cannot-tell');
    expect(findings.find(({ id }) => id === 'cannot-tell')?.evidence.reason).toBe(reason);
  });

  it('names the GRANT that would help', () => {
    const { findings } = judge(windowOf([...busyPool(5), ...many(5, () => ({ hidden: true, user: 'other' }))]));
    expect(findings[0]!.fix).toContain('GRANT pg_monitor TO "doctor"');
  });

  it('does not hide what was found all the same', () => {
    const requests = many(100, (index) => ({ from: index * 0.1, to: index * 0.1 + 0.5 }));
    const { verdict, findings } = judge(windowOf([...requests, ...many(40, () => ({ hidden: true, user: 'other' }))]));
    expect(verdict).toBe('findings');
    expect(findings.map(({ id }) => id)).toEqual(['per-request', 'cannot-tell']);
  });
});

describe('a restart of the server', () => {
  it('ends a window: what all sessions do after it is no storm', () => {
    const old = many(40, () => ({ to: 3, every: 0.2 }));
    const young = many(40, (index) => ({ from: 4 + index * 0.02, every: 0.2 }));
    const recording = windowOf([...old, ...young], { bootAt: (second) => (second < 3.5 ? -100 : 3.5) });
    const { verdict, facts } = judge(recording);
    expect(verdict).toBe('healthy');
    expect(facts.restartedAt).not.toBeNull();
    expect(facts.seconds).toBeGreaterThan(6);
  });
});
