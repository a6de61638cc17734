import { expect, test } from 'vitest';
import { emailSource } from '../../src/database/signUps.js';

test('of every ten requests three have an email that is taken, spread evenly', () => {
  const nextEmail = emailSource();
  const isTaken = Array.from({ length: 20 }, () => nextEmail().startsWith('taken'));
  const pattern = isTaken.map((taken) => (taken ? 'x' : '.')).join('');
  expect(pattern).toBe('x...x..x..x...x..x..');
});

test('an email that is not taken comes once', () => {
  const nextEmail = emailSource();
  const fresh = Array.from({ length: 1_000 }, nextEmail).filter((email) => !email.startsWith('taken'));
  expect(new Set(fresh).size).toBe(700);
});
