import { parseArgs } from 'node:util';
import { UsageError } from '@tenure/replay/output/usageError.js';
import type { Bench } from './bench.js';
import { BENCHES } from './catalogue.js';

export interface Options {
  readonly help: boolean;
  readonly quick: boolean;
  readonly writeDocs: boolean;
  readonly benches: readonly Bench[];
}

const WIDEST = Math.max(...BENCHES.map(({ name }) => name.length));

export const USAGE = `Measures Tenure beside its peers, in one run and in turns.

  npx -y pnpm@12 bench [NAME…] [options]

${BENCHES.map(({ name, story, seconds }) => `  ${name.padEnd(WIDEST)}   ${story}; ${duration(seconds)}`).join('\n')}

  --quick        a smoke run of seconds, whose figures mean nothing
  --write-docs   also writes the tables to bench/results/NAME.md, which are committed
  --help         this text

Without a name, all run. Tables go to the terminal; bench/results/ gets each as JSON and as a page with plots.
A target that is missed is said to be; the exit code stays 0, since a shared machine may miss it.
`;

export function parseOptions(args: string[]): Options {
  const { values, positionals } = parse(args);
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    const known = BENCHES.map(({ name }) => name).join(', ');
    throw new UsageError(`No benchmark is called “${unknown.join('”, “')}”; there are ${known}.`);
  }
  if (values.quick && values['write-docs']) {
    throw new UsageError('--write-docs wants a full run: the figures of --quick mean nothing.');
  }
  return {
    help: values.help ?? false,
    quick: values.quick ?? false,
    writeDocs: values['write-docs'] ?? false,
    benches: BENCHES.filter(({ name }) => positionals.length === 0 || positionals.includes(name)),
  };
}

/** A rough duration, in words. */
export function duration(seconds: number): string {
  return seconds < 90 ? `about ${seconds} s` : `about ${Math.round(seconds / 60)} min`;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      // `pnpm bench -- --quick` passes the two dashes on.
      args: args[0] === '--' ? args.slice(1) : args,
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        'write-docs': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nTry --help.`);
  }
}
