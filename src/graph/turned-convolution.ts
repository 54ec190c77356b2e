/** @file A transposed convolution as a convolution with its kernel turned round. */
import type { ConvAttributes } from './ops.js';
import type { TensorOf } from './tensor.js';

/** The padding of that convolution, [top, left, bottom, right]; undefined where there is none. */
export function turnedPadding(
  node: TensorOf<'ConvTranspose'>,
): ConvAttributes['padding'] | undefined {
  const { stride, padding, dilation, groups, outputPadding } = node.attributes;
  const [, , kh, kw] = node.inputs[1]!.shape as [number, number, number, number];
  const reach = [dilation[0] * (kh - 1), dilation[1] * (kw - 1)] as const;
  const turned = [
    reach[0] - padding[0],
    reach[1] - padding[1],
    reach[0] - padding[2] + outputPadding[0],
    reach[1] - padding[3] + outputPadding[1],
  ] as const;
  const exists = stride.every((n) => n === 1) && groups === 1 && turned.every((n) => n >= 0);
  return exists ? turned : undefined;
}
