import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CLOSE_REASONS } from '../../../packages/core/src/lifecycle/state.js';

const SOURCE = new URL('../../../packages/core/src/', import.meta.url);
const contributing = readFileSync(new URL('../../../CONTRIBUTING.md', import.meta.url), 'utf8');

describe('What closes a connection?', () => {
  const table = closeReasonTable();

  it('has each reason once', () => {
    expect(table.map(({ reason }) => reason).sort()).toEqual([...CLOSE_REASONS].sort());
  });

  it.each(table)('names the files that decide $reason', ({ reason, files }) => {
    expect(files.sort()).toEqual(filesThatCloseFor(reason));
  });
});

it('the map names files that exist', () => {
  const [, map = ''] = /```\n(packages\/core\/src[\s\S]*?)```/.exec(contributing) ?? [];
  const core = map.slice(0, map.indexOf('packages/knex-plugin'));
  const named = Array.from(core.matchAll(/\b\w+\.ts\b/g), ([name]) => name);
  expect(named.length).toBeGreaterThan(20);
  const files = sourceFiles().map((path) => path.split('/').at(-1));
  expect(named.filter((name) => !files.includes(name))).toEqual([]);
});

function closeReasonTable(): { reason: string; files: string[] }[] {
  const [, section = ''] = contributing.split('**What closes a connection?**');
  const rows = section.slice(0, section.indexOf('\n**')).matchAll(/^\| `([a-z-]+)` \|.*\| ([^|]+) \|$/gm);
  return Array.from(rows, ([, reason, files]) => ({
    reason: reason!,
    files: Array.from(files!.matchAll(/`([^`]+)`/g), ([, path]) => path!),
  }));
}

/** The files of the rules and of the engine in which a connection is given this reason to be closed. */
function filesThatCloseFor(reason: string): string[] {
  const gives = new RegExp(`(close\\w*\\(|return |reason\\b[^=]*=[^=]).*(?<![!=]== )'${reason}'`, 'i');
  return sourceFiles()
    .filter((path) => /^(lifecycle|pool)\//.test(path))
    .filter((path) =>
      readFileSync(new URL(path, SOURCE), 'utf8')
        .split('\n')
        .some((line) => gives.test(line)),
    )
    .sort();
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
}
