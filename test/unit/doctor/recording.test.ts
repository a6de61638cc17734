import { type Recording, RecordingError, readRecording } from '@tenure/doctor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordingText as textOf } from '../../../packages/doctor/src/sample/recording.js';
import { recordingText } from './recordings.js';
import { many, SERVER, windowOf } from './streams.js';

describe('a recording', () => {
  it('is read as it was written', () => {
    const plain = windowOf([
      ...many(3, () => ({ every: 0.5, application: 'app "1"', address: '10.0.0.1' })),
      { login: true },
    ]);
    const samples = plain.samples.map((sample, index) => ({
      ...sample,
      counters: { ...sample.counters, other: sample.counters.shop! },
      sessions: sample.sessions.map((session) => ({
        ...session,
        untouched: index % 2 > 0,
        own: index % 3 > 0,
        blockedBy: [7],
      })),
      ...(index % 5 === 0 ? { statements: { '1000': { text: 'select ?', horizonAge: null } } } : {}),
    }));
    const refusals = [{ at: 5, code: '53300', message: 'full' }];
    const recording: Recording = { server: SERVER, samples, refusals, plans: { calls: 5, callsPlannedEachTime: 3 } };
    expect(readRecording(textOf(recording))).toEqual(recording);
  });

  it('may have no header: then its database has no name and its own transactions are assumed', () => {
    const { server, samples } = readRecording(recordingText('knex-10'));
    expect(server).toBeNull();
    expect(Object.keys(samples[0]!.counters)).toEqual(['']);
    expect(samples[10]!.ownTransactions).toBe(20);
  });

  it('may have a header that leaves out what it does not say', () => {
    const text =
      '{"server":{"database":"shop","maxConnections":50,"reservedConnections":3}}\n{"t":1,"d":{"xc":1},"r":[]}';
    const { server, samples } = readRecording(text);
    expect(server).toMatchObject({ maxConnections: 50, roleLimits: {}, version: 'unknown' });
    expect(samples[0]!.counters.shop).toMatchObject({ commits: 1, sessions: 0 });
  });

  it.each([
    ['{"t":1,"d":{},"r":[]}\nnonsense', 'Line 2 of the recording is not JSON.'],
    ['{"t":1,"d":{},"r":[["1"]]}', 'Line 1 of the recording is neither a sample nor a header.'],
    ['[]', 'Line 1 of the recording is neither a sample nor a header.'],
    ['', 'The recording has no samples.'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => readRecording(text)).toThrow(new RecordingError(message));
  });

  it('of anything is read or refused, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.string())), (lines) => {
        try {
          readRecording(lines.join('\n'));
        } catch (error) {
          expect(error).toBeInstanceOf(RecordingError);
        }
      }),
    );
  });
});
