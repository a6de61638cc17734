/** A mistake that the user can correct. Only its message is shown, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
