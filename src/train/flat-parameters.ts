/** @file Parameters laid end to end in one vector, with a view per name. */
import { complain } from '../core/errors.js';
import { elementCount, type FloatTensor, type TensorData } from '../core/tensor-data.js';

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

  /** Copies tensors into a flat vector; throws WEIGHTS when one is missing or does not fit. */
  fill(flat: Float32Array, tensors: ReadonlyMap<string, TensorData>): void {
    for (const [name, { offset, shape }] of this.entries) {
      const tensor = tensors.get(name);
      if (tensor?.dtype !== 'f32' || tensor.data.length !== elementCount(shape)) {
        throw complain('WEIGHTS', {
          where: `parameter "${name}"`,
          expected: `f32[${shape.join(',')}]`,
          got: tensor ? `${tensor.dtype}[${tensor.shape.join(',')}]` : 'nothing',
        });
      }
      flat.set(tensor.data, offset);
    }
  }
}
