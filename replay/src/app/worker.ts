import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ContenderKey, contenderOf } from '../contenders/catalogue.js';
import type { App } from '../contenders/contender.js';
import { serve } from '../processes/serve.js';
import { countConnects } from './countConnects.js';

/** One process of the app, which serves the one route of its contender. */

export interface WorkerJob {
  contender: ContenderKey;
  url: string;
  schema: string;
  /** Whether it also serves the live page of its pool at /pool. */
  withPage?: boolean;
}

export interface WorkerReport {
  /** Since `begin`. Requests that the database answered, with rows or with a key that is taken. */
  served: number;
  opened: number;
  refused: number;
  /** How many requests failed, by error code. */
  failures: Record<string, number>;
  /** CPU time since `begin`. */
  cpuMs: number;
  limit: number | null;
  budget: number | null;
}

export type WorkerFunctions = typeof functions;

const connects = countConnects();
let failures: Record<string, number> = {};
let served = 0;
let cpuBefore = process.cpuUsage();
let app: App | undefined;

const functions = {
  /** Starts listening; resolves to the port. */
  async listen({ contender, url, schema, withPage }: WorkerJob): Promise<number> {
    const open = await contenderOf(contender).load();
    const opened = await open(url, schema);
    app = opened;
    const page = withPage ? (await import('@tenure/inspector')).inspector() : undefined;
    const server = createServer((request, response) => {
      const isPage = page && request.url?.split('?', 1)[0] === '/pool';
      return isPage ? page.node(request, response) : handle(opened, response);
    });
    // The load generator keeps its connections, so none may be closed for a moment without requests.
    server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  },
  /** What came before does not count. */
  begin(): void {
    served = 0;
    connects.opened = 0;
    connects.refused = 0;
    failures = {};
    cpuBefore = process.cpuUsage();
  },
  report(): WorkerReport {
    const { user, system } = process.cpuUsage(cpuBefore);
    const limits = { limit: app?.limit ?? null, budget: app?.budget?.() ?? null };
    return { served, ...connects, failures, cpuMs: (user + system) / 1_000, ...limits };
  },
  async close(): Promise<void> {
    await app?.close();
  },
};

async function handle(app: App, response: ServerResponse): Promise<void> {
  try {
    const { status, body } = await app.answer();
    served++;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  } catch (error) {
    const waitedTooLong = app.waitedTooLong(error);
    const code = waitedTooLong ? 'no connection in time' : codeOf(error);
    failures[code] = (failures[code] ?? 0) + 1;
    response.writeHead(waitedTooLong ? 504 : 500).end();
  }
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: string; name?: string };
  return code ?? name ?? 'unknown';
}

serve(functions);
