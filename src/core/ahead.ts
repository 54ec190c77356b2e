/** @file Work begun now and awaited later. */

/** The promise itself; should it fail before it is awaited, that is not an unhandled rejection. */
export function ahead<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
