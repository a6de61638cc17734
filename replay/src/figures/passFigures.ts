import type { Trace } from '@tenure/doctor/internal';
import type { ContenderKey } from '../contenders/catalogue.js';
import type { LoadResult } from '../load/loadTypes.js';

/** What one pass of one contender yielded. */
export interface PassFigures {
  contender: ContenderKey;
  load: LoadResult;
  trace: Trace;
  /** What the doctor says of it. */
  diagnosis: string[];
  /** Requests that the database answered, with rows or with a key that is taken: one transaction each. */
  served: number;
  /** Connections, from the app's start to its end. */
  opened: number;
  refused: number;
  failures: Record<string, number>;
  /** The most connections that all processes together may open, where something limits it. */
  limit: number | null;
  /** What they may open by their budget, where they have one. */
  budget: number | null;
  appCpuMs: number;
  serverCpuMs: number | null;
  /** Of the PgBouncer in front, where there is one. */
  poolerCpuMs: number | null;
}
