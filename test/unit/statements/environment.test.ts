import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { Environment } from '../../../packages/core/src/postgres/statements/environment.js';
import { Effect } from '../../../packages/core/src/postgres/statements/text.js';

let parameters: Map<string, string>;
let wire: EventEmitter;
let environment: Environment;

function report(parameterName: string, parameterValue: string): void {
  parameters.set(parameterName, parameterValue);
  wire.emit('parameterStatus', { parameterName, parameterValue });
}

/** A query with this effect is sent, and its transaction ends. */
function run(effect: number, text?: string): void {
  environment.follow(effect, text);
  environment.transactionEnded();
}

beforeEach(() => {
  parameters = new Map();
  wire = new EventEmitter();
  report('standard_conforming_strings', 'on');
  report('TimeZone', 'UTC');
  environment = new Environment(parameters, wire);
});

describe('The environment of a session', () => {
  it('is one, as long as nothing may have changed it', () => {
    const { current } = environment;
    run(Effect.none);
    expect(current).toBeDefined();
    expect(environment.current).toBe(current);
  });

  it('is none while settings of a transaction hold, and the old one after it', () => {
    const { current } = environment;
    environment.follow(Effect.transaction);
    report('TimeZone', 'Asia/Tokyo');
    expect(environment.current).toBe(undefined);
    report('TimeZone', 'UTC');
    environment.transactionEnded();
    expect(environment.current).toBe(current);
  });

  it('is a new one after a transaction that has left more than it seemed to', () => {
    const { current } = environment;
    environment.follow(Effect.transaction);
    report('TimeZone', 'Asia/Tokyo');
    environment.transactionEnded();
    expect(environment.current).not.toBe(undefined);
    expect(environment.current).not.toBe(current);
  });

  it.each(['settings', 'session', 'schema'] as const)('is none, then a new one, after a change of %s', (effect) => {
    const { current } = environment;
    environment.follow(Effect[effect]);
    expect(environment.current).toBe(undefined);
    expect(environment.transactionEnded()).toBe(Effect[effect]);
    expect(environment.current).not.toBe(undefined);
    expect(environment.current).not.toBe(current);
    expect(environment.transactionEnded()).toBe(Effect.none);
  });

  it('is a new one when the server reports what nobody asked for, as after a reload of its configuration', () => {
    const { current } = environment;
    report('TimeZone', 'Asia/Tokyo');
    expect(environment.current).toBe(undefined);
    environment.transactionEnded();
    expect(environment.current).not.toBe(current);
  });

  it('is not changed by the name of the application, nor by a report that says nothing new', () => {
    const { current } = environment;
    report('application_name', 'x');
    report('TimeZone', 'UTC');
    expect(environment.current).toBe(current);
  });

  it('is none where a backslash in a literal is an escape, or nobody can tell', () => {
    report('standard_conforming_strings', 'off');
    environment.transactionEnded();
    expect(environment.current).toBe(undefined);
    expect(new Environment(new Map()).current).toBe(undefined);
  });

  it('is none for a while where it changes all the time, so that preparing does not pay', () => {
    const prepareAgain = () => {
      run(Effect.settings);
      environment.reuse.notePreparedAgain();
    };
    for (let n = 0; n < 100; n++) prepareAgain();
    expect(environment.current).not.toBe(undefined);
    prepareAgain();
    expect(environment.current).toBe(undefined);
    for (let n = 0; n < 99; n++) environment.noteUnchanged();
    expect(environment.current).toBe(undefined);
    environment.noteUnchanged();
    expect(environment.current).not.toBe(undefined);
  });
});

describe('A session reset', () => {
  function reset(setUp: string, effect: number = Effect.settings): void {
    environment.resetBegins();
    run(Effect.session, 'the commands of the reset');
    environment.setUpBegins();
    run(effect, setUp);
    environment.resetEnds();
  }

  it('brings the original environment back', () => {
    const { current } = environment;
    reset('', Effect.none);
    expect(environment.current).toBe(current);
    run(Effect.settings);
    expect(environment.current).not.toBe(current);
    reset('', Effect.none);
    expect(environment.current).toBe(current);
  });

  it('with the same set-up each time brings back what it made the first time', () => {
    reset('set search_path = a');
    const { current } = environment;
    run(Effect.settings);
    reset('set search_path = a');
    expect(environment.current).toBe(current);
    reset('set search_path = b');
    expect(environment.current).not.toBe(current);
  });

  it('makes a new one where the statements of the session may be gone', () => {
    const { current } = environment;
    run(Effect.session);
    reset('', Effect.none);
    expect(environment.current).not.toBe(current);
  });
});
