/** @file Activations by the names configurations use, after diffusers' get_activation and transformers' ACT2FN. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';

/** x·tanh(softplus(x)), Misra 2019. */
export const mish = (x: Tensor): Tensor => g.mul(x, g.tanh(g.softplus(x)));

const tanhGelu = (x: Tensor): Tensor => g.gelu(x, 'tanh');

/** Every activation a configuration may name. */
export const activations = {
  relu: g.relu,
  silu: g.silu,
  swish: g.silu,
  mish,
  gelu: (x: Tensor): Tensor => g.gelu(x),
  gelu_new: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  quick_gelu: g.quickGelu,
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type ActivationName = keyof typeof activations;

/** Applies the named activation elementwise. */
export function activate(name: ActivationName, x: Tensor): Tensor {
  return activations[name](x);
}
