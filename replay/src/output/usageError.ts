/** Something the user can mend: shown as its message alone, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
