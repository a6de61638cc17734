import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type ConnectionState, transition } from '../../../packages/core/src/lifecycle/state.js';
import { STATES } from '../lifecycle/states.js';

it('the diagram of docs/life.md has each step from one state to another that the code allows, and no other', () => {
  const text = readFileSync(new URL('../../../docs/life.md', import.meta.url), 'utf8');
  const [, diagram = ''] = /```mermaid\n(.*?)```/s.exec(text) ?? [];
  const drawn = Array.from(diagram.matchAll(/^ {2}(\w+) --> (\w+)/gm), ([, from, to]) => `${from} → ${to}`);
  expect(drawn.sort()).toEqual(allowedSteps().sort());
});

function allowedSteps(): string[] {
  const pairs = STATES.flatMap((from) => STATES.map((to) => ({ from, to })));
  const allowed = pairs.filter(({ from, to }) => isAllowed(from, to));
  return [...new Set(allowed.map(({ from, to }) => `${from.kind} → ${to.kind}`))];
}

function isAllowed(from: ConnectionState, to: ConnectionState): boolean {
  try {
    transition(from, to);
    return true;
  } catch {
    return false;
  }
}
