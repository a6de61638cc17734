/** What `pg` makes of an error message of the server. */
export interface ServerError {
  readonly code?: string;
  /** The function of the server that raised it. Never translated, unlike the message. */
  readonly routine?: string;
}

/**
 * What an error says about the prepared statement it met before it ran.
 *
 * - `missing`: the session does not have it.
 * - `outdated`: what it refers to has changed.
 * - `doubtful`: its parameters may have had other types when it was prepared; or a value is simply wrong.
 */
export type Verdict = 'missing' | 'outdated' | 'doubtful';

const NO_SUCH_STATEMENT = '26000';
const NOT_SUPPORTED = '0A000';
const NO_PERMISSION = '42501';

/** Judges an error that came when a statement was to be used that had been prepared before. */
export function verdictOf({ code = '', routine }: ServerError): Verdict | undefined {
  if (code === NO_SUCH_STATEMENT) return 'missing';
  // "cached plan must not change result type"
  if (code === NOT_SUPPORTED) return routine === 'RevalidateCachedQuery' ? 'outdated' : undefined;
  // The role may have changed, which asks for no other plan.
  if (code === NO_PERMISSION) return undefined;
  // No such table, column, function, operator: when it was prepared there was one.
  if (code.startsWith('42')) return 'outdated';
  // A value that does not fit, maybe since the column had another type; a type that was dropped and made again.
  return code.startsWith('22') || code.startsWith('XX') ? 'doubtful' : undefined;
}
