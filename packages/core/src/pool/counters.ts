import { RETIRE_REASONS, type RetireReason } from '../lifecycle/connectionState.js';
import { Histogram } from './histogram.js';

/** What has happened since the pool was made. Only ever grows. */
export class Counters {
  acquired = 0;
  /** Checkouts served by a connection that had served before. */
  reused = 0;
  opened = 0;
  openFailures = 0;
  timeouts = 0;
  /** Callers told at once that waiting is in vain. */
  refused = 0;
  checksDone = 0;
  checksFailed = 0;
  rolledBack = 0;
  /** News that made every connection be checked before its next use. */
  epochs = 0;
  readonly closed = Object.fromEntries(RETIRE_REASONS.map((reason) => [reason, 0])) as Record<RetireReason, number>;
  /** Waits of the callers who had to wait; the others waited 0 ms. */
  readonly waits = new Histogram();
}
