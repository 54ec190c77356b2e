/** @file Recognises tensors that hold one repeated value. */
import { f16ToNumber } from '../../core/tensor-data.js';
import type { Tensor } from '../tensor.js';

/** Constants with more values are not searched. */
const searchedValues = 4096;

/** The one value a tensor repeats, looking through layout changes; undefined when it varies. */
export function uniformValue(tensor: Tensor): number | undefined {
  let source = tensor;
  while (source.op === 'Expand' || source.op === 'Reshape' || source.op === 'Transpose') {
    source = source.inputs[0]!;
  }
  return source.op === 'Constant' ? constantValue(source.attributes.value) : undefined;
}

function constantValue(
  value: Extract<Tensor, { op: 'Constant' }>['attributes']['value'],
): number | undefined {
  const { data } = value;
  const first = data[0];
  if (first === undefined || data.length > searchedValues) return undefined;
  for (const other of data) {
    if (!Object.is(other, first)) return undefined;
  }
  return value.dtype === 'f16' ? f16ToNumber(Number(first)) : Number(first);
}
