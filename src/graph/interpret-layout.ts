/** @file Interpreter kernels that move values: layout, padding, gathering and scattering. */
import { complain } from '../core/errors.js';
import { elementCount, f16ToNumber, stridesOf, type TensorData } from '../core/tensor-data.js';
import {
  broadcastIndices,
  type Kernel,
  type Kernels,
  sourceIndices,
  take,
} from './interpret-kernel.js';
import type { OpAttributes } from './ops.js';

/** Any host array as f64. */
function toFloat64(value: TensorData): Float64Array {
  if (value.dtype === 'f16') return Float64Array.from(value.data, f16ToNumber);
  const out = new Float64Array(value.data.length);
  for (let i = 0; i < out.length; i++) out[i] = Number(value.data[i]);
  return out;
}

const transpose: Kernel<'Transpose'> = ([x], node) => {
  const strides = stridesOf(node.inputs[0]!.shape);
  const offsets = node.attributes.permutation.map((axis, i) =>
    Array.from({ length: node.shape[i]! }, (_, at) => at * strides[axis]!),
  );
  return take(x!, sourceIndices(offsets));
};

const concat: Kernel<'Concat'> = (inputs, node) => {
  const { axis } = node.attributes;
  const out = new Float64Array(elementCount(node.shape));
  const runs = node.inputs.map((input) => elementCount(input.shape.slice(axis)));
  const block = elementCount(node.shape.slice(axis));
  let start = 0;
  for (const [i, values] of inputs.entries()) {
    const run = runs[i]!;
    for (let from = 0, to = start; from < values.length; from += run, to += block) {
      out.set(values.subarray(from, from + run), to);
    }
    start += run;
  }
  return out;
};

const slice: Kernel<'Slice'> = ([x], node) => {
  const { starts, sizes, steps } = node.attributes;
  const strides = stridesOf(node.inputs[0]!.shape);
  const offsets = sizes.map((size, axis) =>
    Array.from({ length: size }, (_, i) => (starts[axis]! + i * steps[axis]!) * strides[axis]!),
  );
  return take(x!, sourceIndices(offsets));
};

/** Coordinate an axis of `size` is read at, or -1 for the fill value. */
function padSource(at: number, size: number, mode: OpAttributes['Pad']['mode']): number {
  if (at >= 0 && at < size) return at;
  if (mode === 'constant') return -1;
  if (mode === 'edge') return at < 0 ? 0 : size - 1;
  return at < 0 ? -at : 2 * (size - 1) - at;
}

const pad: Kernel<'Pad'> = ([x], node) => {
  const { before, mode, value } = node.attributes;
  const { shape } = node.inputs[0]!;
  const strides = stridesOf(shape);
  const offsets = node.shape.map((size, axis) =>
    Array.from({ length: size }, (_, i) => {
      const source = padSource(i - before[axis]!, shape[axis]!, mode);
      return source < 0 ? -1 : source * strides[axis]!;
    }),
  );
  return take(x!, sourceIndices(offsets), value);
};

function checkedIndex(where: string, index: number, size: number): number {
  if (index >= 0 && index < size) return index;
  throw complain('GRAPH', {
    where,
    expected: `indices from 0 to ${size - 1}`,
    got: `${index}`,
    next: 'Check the values fed as indices.',
  });
}

const gather: Kernel<'Gather'> = (inputs, node) => {
  const [x, index] = inputs as [Float64Array, Float64Array];
  const { axis } = node.attributes;
  const { shape } = node.inputs[0]!;
  const inner = elementCount(shape.slice(axis + 1));
  const rows = Array.from(index, (at) => checkedIndex('Gather', at, shape[axis]!) * inner);
  const outer = elementCount(shape.slice(0, axis));
  const blocks = Array.from({ length: outer }, (_, i) => i * shape[axis]! * inner);
  const columns = Array.from({ length: inner }, (_, i) => i);
  return take(x, sourceIndices([blocks, rows, columns]));
};

const scatterAdd: Kernel<'ScatterAdd'> = (inputs, node) => {
  const [updates, index] = inputs as [Float64Array, Float64Array];
  const { axis, size } = node.attributes;
  const inner = elementCount(node.shape.slice(axis + 1));
  const out = new Float64Array(elementCount(node.shape));
  for (let i = 0; i < updates.length; i++) {
    const column = i % inner;
    const row = checkedIndex('ScatterAdd', index[Math.floor(i / inner) % index.length]!, size);
    const block = Math.floor(i / (inner * index.length));
    out[(block * size + row) * inner + column]! += updates[i]!;
  }
  return out;
};

/** Where an elementwise index points: the element's own place with `axis` replaced. */
function elementIndices(
  where: string,
  index: Float64Array,
  indexShape: readonly number[],
  shape: readonly number[],
  axis: number,
): Int32Array {
  const strides = stridesOf(shape);
  const base = sourceIndices(
    indexShape.map((size, i) =>
      Array.from({ length: size }, (_, at) => (i === axis ? 0 : at * strides[i]!)),
    ),
  );
  return base.map((at, i) => at + checkedIndex(where, index[i]!, shape[axis]!) * strides[axis]!);
}

const gatherElements: Kernel<'GatherElements'> = (inputs, node) => {
  const [x, index] = inputs as [Float64Array, Float64Array];
  const source = node.inputs[0]!.shape;
  return take(x, elementIndices('GatherElements', index, node.shape, source, node.attributes.axis));
};

const scatterElementsAdd: Kernel<'ScatterElementsAdd'> = (inputs, node) => {
  const [updates, index] = inputs as [Float64Array, Float64Array];
  const { axis } = node.attributes;
  const indexShape = node.inputs[1]!.shape;
  const target = elementIndices('ScatterElementsAdd', index, indexShape, node.shape, axis);
  const out = new Float64Array(elementCount(node.shape));
  for (let i = 0; i < updates.length; i++) out[target[i]!]! += updates[i]!;
  return out;
};

export const layoutKernels = {
  Constant: (_, node) => toFloat64(node.attributes.value),
  Reshape: ([x]) => x!,
  Transpose: transpose,
  Expand: ([x], node) => take(x!, broadcastIndices(node.inputs[0]!.shape, node.shape)),
  Concat: concat,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  ScatterAdd: scatterAdd,
  GatherElements: gatherElements,
  ScatterElementsAdd: scatterElementsAdd,
} as const satisfies Partial<Kernels>;
