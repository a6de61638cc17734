import type { ConnectionInfo } from '@tenure/core';
import type { LaneUpdate, Phase } from './protocol.js';
import { Ring } from './ring.js';

/** Lives that ended longer ago are dropped. */
export const HISTORY_MS = 5 * 60_000;
const MOST_LANES = 2_000;
const MOST_PHASES = 1_200;

const PHASES = {
  opening: 'o',
  idle: 'i',
  used: 'h',
  checking: 'c',
  returning: 'r',
  closing: 'x',
  closed: 'x',
} as const satisfies Record<ConnectionInfo['state'], Phase>;

/** One connection's life. */
class Lane {
  readonly id: number;
  pid: number | undefined;
  born: number;
  uses: number;
  checks: number;
  resets: number;
  end: LaneUpdate['end'];
  /** The turn of the last change. */
  turn = 0;
  readonly phases = new Ring<readonly [number, Phase]>(MOST_PHASES);
  readonly marks = new Ring<readonly [number, 'c' | 'r']>(MOST_PHASES);

  constructor(info: ConnectionInfo, t: number, isFirstLook: boolean) {
    this.id = info.id;
    this.born = Math.round(t - info.ageMs);
    // The counts at the first look are the base: what they count was before the recording.
    const known = isFirstLook ? info : { uses: 0, checks: 0, resets: 0 };
    this.uses = known.uses;
    this.checks = known.checks;
    this.resets = known.resets;
  }

  look(info: ConnectionInfo, t: number, turn: number): void {
    const { uses, checks, resets } = info;
    const phase = uses > this.uses ? 'u' : PHASES[info.state];
    // A busy connection is checked again and again, so its checks get no marks.
    if (checks > this.checks && this.phases.last?.[1] !== 'u') this.marks.add(turn, [t, 'c']);
    if (phase !== this.phases.last?.[1]) this.phases.add(turn, [t, phase]);
    if (resets > this.resets) this.marks.add(turn, [t, 'r']);
    if (info.state === 'opening') this.born = Math.min(this.born, t);
    this.pid = info.processId;
    Object.assign(this, { uses, checks, resets, turn });
  }

  finish(end: { t: number; reason: string }, turn: number): void {
    this.end = end;
    this.turn = turn;
  }

  forget(before: number): void {
    this.phases.dropWhileNext(([t]) => t < before);
    this.marks.dropWhileNext(([t]) => t < before);
  }

  update(since: number): LaneUpdate {
    const { id, pid, born, uses, checks, resets, end } = this;
    return {
      id,
      ...(pid !== undefined && { pid }),
      born,
      uses,
      checks,
      resets,
      ...(end && { end }),
      phases: this.phases.since(since),
      marks: this.marks.since(since),
    };
  }
}

/**
 * The lives of a pool's connections, as seen in a look at them four times a second. Acquire and release emit nothing for it, and
 * cost nothing more.
 */
export class Lanes {
  readonly #lanes = new Map<number, Lane>();
  #isFirstLook = true;

  /** Records the present state of all connections. */
  look(infos: readonly ConnectionInfo[], t: number, turn: number): void {
    const present = new Set<number>();
    for (const info of infos) {
      present.add(info.id);
      // The event of its close has given the rest already.
      if (info.state === 'closing') continue;
      this.#laneOf(info, t).look(info, t, turn);
    }
    for (const lane of this.#lanes.values()) {
      // A connection that disappears without that event was never open.
      if (!lane.end && !present.has(lane.id)) lane.finish({ t, reason: 'connect failed' }, turn);
    }
    this.#isFirstLook = false;
    this.#forget(t - HISTORY_MS);
  }

  /** Records a connection that is being closed. It may have lived between two looks. */
  close(info: ConnectionInfo, reason: string, t: number, turn: number): void {
    const lane = this.#laneOf(info, t);
    lane.pid ??= info.processId;
    Object.assign(lane, { uses: info.uses, checks: info.checks, resets: info.resets });
    lane.finish({ t, reason }, turn);
  }

  /** The lives that have changed since this turn. */
  since(turn: number): LaneUpdate[] {
    return [...this.#lanes.values()].filter((lane) => lane.turn > turn).map((lane) => lane.update(turn));
  }

  #laneOf(info: ConnectionInfo, t: number): Lane {
    let lane = this.#lanes.get(info.id);
    if (!lane) {
      lane = new Lane(info, t, this.#isFirstLook);
      this.#lanes.set(info.id, lane);
    }
    return lane;
  }

  #forget(before: number): void {
    for (const lane of this.#lanes.values()) {
      const isSurplus = this.#lanes.size > MOST_LANES;
      if (lane.end && (isSurplus || lane.end.t < before)) this.#lanes.delete(lane.id);
      else lane.forget(before);
    }
  }
}
