/** Stable codes of every failure a caller can cause. */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_ARGUMENT'
  | 'ERR_PROGRAM'
  | 'ERR_RANGE'
  | 'ERR_NON_FINITE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_DISPOSED'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_ADDON_LOAD'
  | 'ERR_CHECKPOINT'
  | 'ERR_DATA'
  | 'ERR_INTERNAL';

/** The one error class of this package; `code` is stable, `message` is for people. */
export class FastWeightError extends Error {
  override readonly name = 'FastWeightError';

  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/**
 * An error of the form "Expected `expectation` for `argument` but got `got`. `remedy`".
 *
 * @example throw expected('ERR_SHAPE', 'shape [2, 5, 8]', 'k', 'shape [2, 5, 7]');
 */
export function expected(
  code: ErrorCode,
  expectation: string,
  argument: string,
  got: string,
  remedy = '',
): FastWeightError {
  const sentence = `Expected ${expectation} for ${argument} but got ${got}`;
  return new FastWeightError(code, remedy ? `${sentence}. ${remedy}` : sentence);
}
