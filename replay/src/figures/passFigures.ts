import type { Trace } from '@tenure/doctor/internal';
import type { ContenderKey } from '../contenders/catalogue.js';
import type { LoadResult } from '../load/loadTypes.js';

/** The figures of one pass of one contender. */
export interface PassFigures {
  contender: ContenderKey;
  load: LoadResult;
  trace: Trace;
  /** The doctor's diagnosis. */
  diagnosis: string[];
  /** Requests that the database answered, with rows or with a key that is taken: one transaction each. */
  served: number;
  /** Connections opened from the app's start to its end. */
  opened: number;
  refused: number;
  failures: Record<string, number>;
  /** The most connections that all processes together may open; null without a limit. */
  limit: number | null;
  /** The most connections by their budget; null without one. */
  budget: number | null;
  appCpuMs: number;
  serverCpuMs: number | null;
  /** CPU time of the PgBouncer in front, if there is one. */
  poolerCpuMs: number | null;
}
