/** @file ONNX form of products in 8 bits: levels of x found at every run, of the weight once at load. */
import { onnxDtypes } from '../formats/onnx.js';
import type { Emitter } from './emitter.js';
import type { Tensor, TensorOf } from './tensor.js';

/** Columns of zeros are divided by this. */
export const smallestScale = 1e-30;

/** Largest level of a weight; more saturates where the processor adds pairs of products in 16 bits. */
const weightLevels = 63;

/** ONNX Runtime folds what depends on the weight alone. */
export function emitInt8MatMul(
  node: TensorOf<'Int8MatMul'>,
  [x, weight, bias]: readonly string[],
  to: Emitter,
): string {
  const source = node.inputs[1] as Tensor;
  const columns = source.shape[1]!;
  const sizes = to.node('Abs', [weight!]);
  const largest = to.node('ReduceMax', [sizes, to.ints([0])], { keepdims: { int: 0 } });
  const share = to.node('Div', [largest, to.float(weightLevels, source)]);
  const scale = to.node('Max', [share, to.float(smallestScale, source)]); // [columns]
  const levels = to.node('Round', [to.node('Div', [weight!, to.reshape(scale, [1, columns])])]);
  const whole = to.node('Cast', [levels], { to: { int: onnxDtypes.i8 } });
  const inputs = [x!, whole, scale, ...(bias === undefined ? [] : ['', bias])];
  return to.node('DynamicQuantizeMatMul', inputs, {}, 'com.microsoft');
}
