import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { describe as textOf } from '../../../packages/core/src/postgres/sharing/describe.js';
import { Registry } from '../../../packages/core/src/postgres/sharing/registry.js';

const registry = new Registry();
const text = (value: unknown) => textOf(value, (object) => registry.numberOf(object));

class Certificate {
  constructor(readonly pem: string) {}
}
const cyclic = (): object => {
  const object: { self?: object } = {};
  object.self = object;
  return object;
};

describe('Two values are taken for the same', () => {
  it.for<[string, unknown, unknown]>([
    ['plain data', { a: [1, 'b', null, true], c: { d: 5n } }, { c: { d: 5n }, a: [1, 'b', null, true] }],
    ['what is not set', { a: 1, b: undefined }, { a: 1 }],
    ['buffers', { ca: Buffer.from('pem') }, { ca: Buffer.from('pem') }],
    ['a part of a buffer', Buffer.from('xpem').subarray(1), new Uint8Array(Buffer.from('pem'))],
    ['what has no prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    ['what is hidden from enumeration', Object.defineProperty({}, 'key', { value: 'k' }), { key: 'k' }],
    ['zeros', 0, -0],
  ])('%s', ([, one, other]) => {
    expect(text(one)).toBe(text(other));
  });

  it('functions and instances, if they are the same one', () => {
    const [hook, certificate] = [() => {}, new Certificate('pem')];
    expect(text({ hook, certificate })).toBe(text({ certificate, hook }));
  });
});

describe('Two values are not taken for the same', () => {
  it.for<[string, unknown, unknown]>([
    ['numbers and their text', 1, '1'],
    ['null and not set', null, undefined],
    ['false and 0', false, 0],
    ['a list and its text', ['a', 'b'], ['a,b']],
    ['what is nested another way', { a: { b: 1 }, c: 2 }, { a: { b: 1, c: 2 } }],
    ['text that looks like a description', 'number 1', 1],
    ['functions with the same source', () => {}, () => {}],
    ['instances with the same content', new Certificate('pem'), new Certificate('pem')],
    ['an instance and plain data', new Certificate('pem'), { pem: 'pem' }],
    ['buffers of other content', Buffer.from('a'), Buffer.from('b')],
    ['what hides a key', Object.defineProperty({}, 'key', { value: 'k' }), {}],
    [
      'getters',
      {
        get a() {
          return 1;
        },
      },
      { a: 1 },
    ],
    ['symbols', { [Symbol('a')]: 1 }, { [Symbol('a')]: 1 }],
    ['circles', cyclic(), cyclic()],
    ['dates', new Date(0), new Date(0)],
    ['plain data of another realm', runInNewContext('({ a: 1 })'), { a: 1 }],
  ])('%s', ([, one, other]) => {
    expect(text(one)).not.toBe(text(other));
  });
});
