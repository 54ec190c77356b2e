/** @file Parameters laid end to end in one vector, with a view per name. */
import { complain } from '../core/errors.js';
import { elementCount, type FloatTensor } from '../core/tensor-data.js';

export interface ParameterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Where each parameter lies in a flat vector. Two or more dimensions come first: they decay. */
export class ParameterLayout {
  readonly entries: ReadonlyMap<string, { offset: number; shape: readonly number[] }>;
  readonly length: number;
  /** Values before this index belong to parameters of two or more dimensions. */
  readonly decayedLength: number;

  constructor(parameters: Iterable<ParameterShape>) {
    const all = [...parameters];
    const isMatrix = ({ shape }: ParameterShape): boolean => shape.length >= 2;
    const entries = new Map<string, { offset: number; shape: readonly number[] }>();
    let offset = 0;
    const place = (list: readonly ParameterShape[]): void => {
      for (const { name, shape } of list) {
        entries.set(name, { offset, shape });
        offset += elementCount(shape);
      }
    };
    place(all.filter(isMatrix));
    this.decayedLength = offset;
    place(all.filter((parameter) => !isMatrix(parameter)));
    this.entries = entries;
    this.length = offset;
  }

  /** The parameters of a flat vector as tensors that share its memory. */
  views(flat: Float32Array): Map<string, FloatTensor> {
    const views = new Map<string, FloatTensor>();
    for (const [name, { offset, shape }] of this.entries) {
      const data = flat.subarray(offset, offset + elementCount(shape));
      views.set(name, { dtype: 'f32', shape, data });
    }
    return views;
  }

  /** A new flat vector of values given by name. Throws WEIGHTS when one is missing or does not fit. */
  flatten(values: ReadonlyMap<string, Float32Array>): Float32Array {
    const flat = new Float32Array(this.length);
    for (const [name, { offset, shape }] of this.entries) {
      const given = values.get(name);
      if (given?.length !== elementCount(shape)) {
        throw complain('WEIGHTS', {
          where: `parameter "${name}"`,
          expected: `${elementCount(shape)} values for f32[${shape.join(',')}]`,
          got: given ? `${given.length}` : 'none',
        });
      }
      flat.set(given, offset);
    }
    return flat;
  }
}
