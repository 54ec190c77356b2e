/** @file Lets a caller stop waiting for work that others go on with. */
import { cancelled } from '../core/errors.js';

/** The promise, or a CANCELLED rejection as soon as `signal` aborts. */
export function orAborted<T>(
  where: string,
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(cancelled(where, signal));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
