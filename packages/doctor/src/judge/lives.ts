import { isHidden, isLogin, type Sample, type Session } from '../sample/sample.js';

/** A stretch of time, in the server's milliseconds. */
export interface Span {
  from: number;
  to: number;
}

/** One backend, from its first sample to its last. A process ID may be reused, so the start time identifies the backend too. */
export interface Life {
  readonly pid: number;
  readonly bornAt: number;
  readonly database: string | null;
  readonly user: string;
  readonly application: string;
  readonly address: string | null;
  readonly hidden: boolean;
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Its login ended within the window. */
  readonly born: boolean;
  /** It ended within the window. */
  readonly died: boolean;
  /** The moments in the window at which its `state_change` moved. */
  readonly moves: readonly number[];
  /** Stretches of a second or more in which it was only idle. The first may have begun before the window. */
  readonly rests: readonly Span[];
  /** Stretches in which it worked, as far as samples show. */
  readonly worked: readonly Span[];
  /** Whether it has run no statement up to its last sample. */
  readonly untouched: boolean;
  /** How many application names it had. A pooler's backend has those of many clients. */
  readonly names: number;
}

export interface Lives {
  readonly lives: readonly Life[];
  /** When logins that never became sessions were last seen, if that was before the end of the window. Most of them were refused. */
  readonly failedLogins: readonly number[];
}

const SHORTEST_REST_MS = 1_000;
/** A recording may have the client's clock, which may differ a little from the server's. */
const CLOCK_SLACK_MS = 1_000;

/** Joins samples into lives. */
export function livesOf(samples: readonly Sample[]): Lives {
  const byKey = new Map<string, LifeRecord>();
  const logins = new Map<string, number>();
  for (const [index, sample] of samples.entries()) {
    for (const session of sample.sessions) {
      const key = `${session.pid}@${session.startedAt}`;
      if (isLogin(session)) {
        if (!byKey.has(key)) logins.set(key, sample.at);
        continue;
      }
      logins.delete(key);
      let life = byKey.get(key);
      if (!life) {
        life = new LifeRecord(session, sample.at, index > 0 && isNew(session, samples[0]!.at));
        byKey.set(key, life);
      }
      life.see(session, sample.at, samples[index - 1]?.at ?? sample.at);
    }
  }
  const last = samples.at(-1)?.at ?? 0;
  return {
    lives: Array.from(byKey.values(), (life) => life.finish(last)),
    failedLogins: [...logins.values()].filter((at) => at < last).sort((a, b) => a - b),
  };
}

function isNew({ startedAt }: Session, windowFrom: number): boolean {
  return startedAt === null || startedAt >= windowFrom - CLOCK_SLACK_MS;
}

class LifeRecord {
  readonly #first: Session;
  readonly #firstSeen: number;
  readonly #born: boolean;
  readonly #moves: number[] = [];
  readonly #rests: Span[] = [];
  readonly #worked: Span[] = [];
  readonly #names = new Set<string>();
  #last: Session;
  /** The session as its last sample shows it; its group follows from that. */
  #named: Session;
  #lastSeen: number;
  #restFrom: number | null = null;
  /** Whether the last state seen came from the doctor's own query. The change to the next state is then not the app's. */
  #ownBefore = false;

  constructor(session: Session, at: number, born: boolean) {
    this.#first = session;
    this.#last = session;
    this.#named = session;
    this.#firstSeen = at;
    this.#lastSeen = at;
    this.#born = born;
  }

  see(session: Session, at: number, previousAt: number): void {
    const before = this.#last;
    const seenBefore = this.#lastSeen;
    this.#lastSeen = at;
    this.#named = session;
    this.#names.add(session.application);
    if (session.own) {
      this.#ownBefore = true;
      return;
    }
    this.#last = session;
    const moved = session.stateAt !== before.stateAt || session.state !== before.state;
    if (moved && !this.#ownBefore) {
      const movedAt = Math.max(session.stateAt ?? at, this.#firstSeen);
      this.#moves.push(movedAt);
      this.#endRest(Math.min(Math.max(session.stateAt ?? at, seenBefore), at));
    }
    this.#ownBefore = false;
    if (session.state === 'idle') this.#restFrom ??= session.stateAt ?? at;
    else this.#endRest(at);
    if (moved || session.state === 'active') this.#extendWork(Math.max(previousAt, this.#bornAt()), at);
  }

  finish(windowTo: number): Life {
    this.#endRest(this.#lastSeen);
    const { pid, address } = this.#first;
    const { database, user, application } = this.#named;
    return {
      pid,
      bornAt: this.#bornAt(),
      database,
      user: user!,
      application,
      address,
      hidden: isHidden(this.#first),
      firstSeen: this.#firstSeen,
      lastSeen: this.#lastSeen,
      born: this.#born,
      died: this.#lastSeen < windowTo,
      moves: this.#moves,
      rests: this.#rests,
      worked: this.#worked,
      untouched: this.#last.untouched,
      names: this.#names.size,
    };
  }

  #bornAt(): number {
    return this.#first.startedAt ?? this.#firstSeen;
  }

  #endRest(to: number): void {
    const from = this.#restFrom;
    this.#restFrom = null;
    if (from !== null && to - from >= SHORTEST_REST_MS) this.#rests.push({ from, to });
  }

  #extendWork(from: number, to: number): void {
    const last = this.#worked.at(-1);
    if (last && last.to >= from) last.to = to;
    else this.#worked.push({ from, to });
  }
}
