/** @file Where prepared weights are kept, how many, and from which size of model on: environment variables and defaults. */
import { join } from 'node:path';
import { complain } from '../core/errors.js';
import { cachesFolder, type Environment } from '../hub/caches.js';

export interface PreparedSettings {
  /** Absolute path. */
  readonly folder: string;
  /** Files used least recently are removed beyond this. */
  readonly limitBytes: number;
  /** Models whose weights take less are computed anew at every load. */
  readonly fromBytes: number;
  /** Smaller results are left to ONNX Runtime. */
  readonly partBytes: number;
}

const gigabyte = 1e9;

/**
 * MALIANG_PREPARED (`on`, the default, or `off`), MALIANG_PREPARED_GB (default 20) and the folder.
 * Undefined when it is off. Throws USAGE for other values.
 */
export function preparedSettings(env: Environment = process.env): PreparedSettings | undefined {
  const state = env.MALIANG_PREPARED || 'on';
  if (state !== 'on' && state !== 'off') throw misread('MALIANG_PREPARED', 'on or off', state);
  const limit = Number(env.MALIANG_PREPARED_GB || 20);
  if (!(limit >= 0 && limit <= 1e6)) {
    throw misread('MALIANG_PREPARED_GB', 'gigabytes from 0 to 1000000', env.MALIANG_PREPARED_GB);
  }
  if (state === 'off') return undefined;
  return {
    folder: preparedFolder(env),
    limitBytes: limit * gigabyte,
    fromBytes: 256e6,
    partBytes: 1e6,
  };
}

/** The folder `prepared` below MALIANG_CACHE, or below `maliang` in the user's caches. */
export function preparedFolder(env: Environment = process.env): string {
  return join(cachesFolder(env), 'prepared');
}

function misread(where: string, expected: string, got: string | undefined): Error {
  return complain('USAGE', { where, expected, got: JSON.stringify(got) });
}
