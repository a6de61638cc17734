import { type Connector, createPool, TenureUsageError } from '@tenure/core';
import { describe, expect, it } from 'vitest';

describe('createPool', () => {
  it.each([undefined, 'postgres://me:hunter2@db/app', {}])(
    'says at once what it takes when it was given %j',
    (given) => {
      const make = () => createPool(given as unknown as Connector<object>);
      expect(make).toThrow(TenureUsageError);
      expect(make).toThrow('pgConnector');
      expect(make).not.toThrow('hunter2');
    },
  );
});
