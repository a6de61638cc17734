import type { ConnectionKind } from '../lifecycle/connectionState.js';

const KINDS = ['opening', 'idle', 'checking', 'used', 'returning', 'closing'] as const satisfies ConnectionKind[];

/** How many connections are in which state. Fields and a switch instead of a record: this is counted on the warm path. */
export class Census {
  /** Counts the same connections, together with those of other pools. */
  #parent: Census | undefined;
  opening = 0;
  idle = 0;
  checking = 0;
  used = 0;
  returning = 0;
  closing = 0;

  /** Places taken, from the first attempt to connect until the connection is gone. */
  get total(): number {
    return this.opening + this.idle + this.checking + this.used + this.returning + this.closing;
  }

  /** Has this other census count the same connections, and the one before count them no more. */
  moveTo(parent: Census | undefined): void {
    for (const kind of KINDS) {
      this.#parent?.add(kind, -this[kind]);
      parent?.add(kind, this[kind]);
    }
    this.#parent = parent;
  }

  add(kind: ConnectionKind, difference: number): void {
    this.#parent?.add(kind, difference);
    switch (kind) {
      case 'idle':
        this.idle += difference;
        break;
      case 'used':
        this.used += difference;
        break;
      case 'checking':
        this.checking += difference;
        break;
      case 'returning':
        this.returning += difference;
        break;
      case 'opening':
        this.opening += difference;
        break;
      case 'closing':
        this.closing += difference;
        break;
      case 'closed':
        break;
    }
  }
}
