import type { ConnectionKind } from '../lifecycle/connectionState.js';

/** How many connections are in which state. Fields and a switch instead of a record: this is counted on the warm path. */
export class Census {
  opening = 0;
  idle = 0;
  checking = 0;
  used = 0;
  returning = 0;
  closing = 0;

  add(kind: ConnectionKind, difference: 1 | -1): void {
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
