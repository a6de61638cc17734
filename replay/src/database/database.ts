import { CannotStartError } from '@tenure/test/support/cannotStart.js';
import type { OnSlow } from '@tenure/test/support/step.js';
import { UsageError } from '../output/usageError.js';
import { type Child, startChild } from '../processes/child.js';
import type { Cleanup } from '../processes/cleanup.js';
import { type Findings, inspect } from './findings.js';
import type { KeeperFunctions, KeeperListener } from './keeper.js';
import { type Needs, refusals, refuseRemote } from './refusals.js';

const ENTRY = new URL('./keeper.ts', import.meta.url);
const MAX_CONNECTIONS = 100;

export interface Database {
  /** Whether the server was started for the replay, or is the user's. */
  readonly kind: 'fresh' | 'own';
  /** The URL for the app. */
  readonly url: string;
  /** The URL for the watcher, which reads pg_stat_activity. */
  readonly watcherUrl: string;
  /** The name by which the app's sessions are found. */
  readonly applicationName: string;
  readonly findings: Findings;
  readonly schema: string;
  readonly died: Promise<never>;
  /** The server's last log lines, if the replay started it. */
  log(): Promise<string>;
}

export interface DatabaseOptions {
  /** The user's own server. */
  url: string | undefined;
  allowRemote: boolean;
  needs: Needs;
  onFindings(findings: Findings): void;
  /** Called with a step of a server's start that takes long. */
  onSlow: OnSlow;
}

export async function prepareDatabase(options: DatabaseOptions, cleanup: Cleanup): Promise<Database> {
  if (options.url !== undefined) refuseRemote(options.url, options.allowRemote);
  const keeper = startChild<KeeperFunctions, KeeperListener>(ENTRY, 'The process that keeps the database', {
    slow: options.onSlow,
  });
  cleanup.defer(() => keeper.stop());

  const access = options.url === undefined ? await freshServer(keeper) : ownServer(options.url);
  const findings = access.kind === 'own' ? await judge(access.url, options) : await inspect(access.url);
  const schema = await keeper.call.createSchema(access.url);
  return {
    ...access,
    url: withApplicationName(access.url, schema),
    applicationName: schema,
    findings,
    schema,
    died: keeper.died,
    log: () => keeper.call.serverLog(),
  };
}

/** Inspects the user's server, reports the findings, and refuses a server on which the replay may not run. */
async function judge(url: string, { onFindings, needs }: DatabaseOptions): Promise<Findings> {
  const findings = await inspect(url).catch((error: Error) => {
    throw new UsageError(`No connection to the server of DATABASE_URL: ${error.message || error}`);
  });
  onFindings(findings);
  const reasons = refusals(findings, needs);
  if (reasons.length > 0) throw new UsageError(`The replay does not run on this server.\n- ${reasons.join('\n- ')}`);
  return findings;
}

async function freshServer(keeper: Child<KeeperFunctions>) {
  const answer = await keeper.call.startServer(MAX_CONNECTIONS);
  // An error loses its class between two processes.
  if ('cannotStart' in answer) throw new CannotStartError(answer.cannotStart);
  return { kind: 'fresh', url: answer.url, watcherUrl: answer.superuserUrl } as const;
}

function ownServer(url: string) {
  return { kind: 'own', url, watcherUrl: url } as const;
}

function withApplicationName(url: string, name: string): string {
  const named = new URL(url);
  named.searchParams.set('application_name', name);
  return named.href;
}
