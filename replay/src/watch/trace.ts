import type { Lifeline, Trace } from '@tenure/doctor/page';

/** One backend of the app, as pg_stat_activity showed it. */
export interface SeenBackend {
  pid: number;
  /** The server's clock, in seconds, as all times here. */
  bornAt: number;
  queryAt: number | null;
  active: boolean;
}

/** Makes lifelines out of samples. Process IDs come again, so a backend is known by its birth too. */
export class TraceRecorder {
  readonly #samples: Trace['samples'] = [];
  readonly #lives = new Map<string, Lifeline & { queryAt: number | null }>();

  add(at: number, backends: readonly SeenBackend[]): void {
    const before = this.#samples.at(-1)?.at;
    this.#samples.push({ at, connections: backends.length });
    for (const backend of backends) this.#see(backend, at, before);
  }

  /** With times since `start`. */
  trace(start: number): Trace {
    const since = (time: number) => time - start;
    const lifelines = [...this.#lives.values()].map(({ pid, bornAt, lastSeenAt, worked }) => ({
      pid,
      bornAt: since(bornAt),
      lastSeenAt: since(lastSeenAt),
      worked: worked.map(({ from, to }) => ({ from: since(from), to: since(to) })),
    }));
    return {
      samples: this.#samples.map(({ at, connections }) => ({ at: since(at), connections })),
      lifelines: lifelines.sort((a, b) => a.bornAt - b.bornAt),
    };
  }

  #see({ pid, bornAt, queryAt, active }: SeenBackend, at: number, before: number | undefined): void {
    const key = `${pid}@${bornAt}`;
    const life = this.#lives.get(key) ?? { pid, bornAt, lastSeenAt: at, worked: [], queryAt: null };
    this.#lives.set(key, life);
    if (active || queryAt !== life.queryAt) extend(life.worked, Math.max(bornAt, before ?? bornAt), at);
    life.lastSeenAt = at;
    life.queryAt = queryAt;
  }
}

function extend(spans: Lifeline['worked'], from: number, to: number): void {
  const last = spans.at(-1);
  if (last && last.to >= from) last.to = to;
  else spans.push({ from, to });
}
