/** @file Where the weights of an emitted model lie: tensors inside safetensors files, mapped in place. */
import { isAbsolute } from 'node:path';
import { internal } from '../core/errors.js';
import type { Dtype } from '../core/tensor-data.js';
import type { WeightSource } from '../graph/emit.js';

/** One tensor in a file: bytes `begin` to `end`, row-major. */
export interface TensorInFile {
  /** Absolute path; links are followed. */
  readonly file: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * The source that `emitOnnx` takes, over tensors by parameter name. Sessions resolve locations
 * from the root folder, so every file is in reach, behind symbolic links too. Names without a
 * tensor become inputs.
 */
export function weightsInFiles(tensors: ReadonlyMap<string, TensorInFile>): WeightSource {
  return (name) => {
    const tensor = tensors.get(name);
    if (!tensor) return undefined;
    const { file, dtype, shape, begin, end } = tensor;
    if (!isAbsolute(file)) throw internal('weights', `${file} is not an absolute path`);
    const location = file.replaceAll('\\', '/').replace(/^(?:[A-Za-z]:)?\/+/, '');
    return { dtype, shape, location, offset: begin, length: end - begin };
  };
}
