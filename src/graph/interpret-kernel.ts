/** @file What an interpreter kernel is, and the index arithmetic kernels share. */
import { stridesOf } from '../core/tensor-data.js';
import type { Op } from './ops.js';
import type { TensorOf } from './tensor.js';

/** Computes one node from the values of its inputs; row-major, every dtype as f64. */
export type Kernel<K extends Op> = (
  inputs: readonly Float64Array[],
  node: TensorOf<K>,
) => Float64Array;

/** A kernel for every operation; Input and Parameter are fed, not computed. */
export type Kernels = { readonly [K in Exclude<Op, 'Input' | 'Parameter'>]: Kernel<K> };

/**
 * For each element of an output the element it reads. `offsets[axis][i]` is what coordinate `i`
 * adds to the source index; a negative offset lies outside the source and gives -1.
 */
export function sourceIndices(offsets: readonly (readonly number[])[]): Int32Array {
  let indices = Int32Array.of(0);
  for (const axis of offsets) {
    const next = new Int32Array(indices.length * axis.length);
    let at = 0;
    for (const base of indices) {
      for (const offset of axis) next[at++] = base < 0 || offset < 0 ? -1 : base + offset;
    }
    indices = next;
  }
  return indices;
}

/** Index into a tensor of `shape` for each element of the shape it broadcasts to. */
export function broadcastIndices(shape: readonly number[], to: readonly number[]): Int32Array {
  const strides = stridesOf(shape);
  const missing = to.length - shape.length;
  return sourceIndices(
    to.map((size, axis) => {
      const stride = shape[axis - missing] === size ? strides[axis - missing]! : 0;
      return Array.from({ length: size }, (_, i) => i * stride);
    }),
  );
}

/** Index into `shape` with the given axes collapsed, for each element of `shape`. */
export function reducedIndices(shape: readonly number[], axes: readonly number[]): Int32Array {
  return broadcastIndices(keptShape(shape, axes), shape);
}

/** The shape with the given axes of size 1. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

/** Values read at the indices; `outside` where the index is -1. */
export function take(values: Float64Array, indices: Int32Array, outside = 0): Float64Array {
  const out = new Float64Array(indices.length);
  for (let i = 0; i < out.length; i++) out[i] = indices[i]! < 0 ? outside : values[indices[i]!]!;
  return out;
}

/** Calls `visit` with the first index and the step of every line along an axis. */
export function forEachLine(
  shape: readonly number[],
  axis: number,
  visit: (start: number, step: number, size: number) => void,
): void {
  const size = shape[axis]!;
  const step = stridesOf(shape)[axis]!;
  const block = size * step;
  const outer = shape.slice(0, axis).reduce((count, n) => count * n, 1);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < step; j++) visit(i * block + j, step, size);
  }
}
