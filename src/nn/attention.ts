/** @file Attention and feed-forward as diffusers names them: to_q, to_k, to_v, to_out.0, net.0.proj, net.2. */
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { linear } from './layers.js';
import type { Scope } from './scope.js';

export interface AttentionOptions {
  readonly heads: number;
  /** Values per head. */
  readonly headSize: number;
  /** Whether to_q, to_k and to_v have biases; default false. to_out.0 always has one. */
  readonly bias?: boolean;
  /** Applied to queries and keys, in the scopes norm_q and norm_k. */
  readonly normalise?: ((scope: Scope, x: Tensor) => Tensor) | undefined;
}

/** x [n, s, c] attends to context [n, t, d] (itself for self-attention) -> [n, s, c]. */
export function attention(
  scope: Scope,
  x: Tensor,
  context: Tensor,
  options: AttentionOptions,
): Tensor {
  const { heads, headSize, bias = false, normalise } = options;
  const inner = heads * headSize;
  let query = linear(scope.child('to_q'), x, inner, { bias });
  let key = linear(scope.child('to_k'), context, inner, { bias });
  const value = linear(scope.child('to_v'), context, inner, { bias });
  if (normalise) {
    query = normalise(scope.child('norm_q'), query);
    key = normalise(scope.child('norm_k'), key);
  }
  const mixed = g.attention(query, key, value, { heads }); // [n, s, inner]
  return linear(scope.child('to_out').child(0), mixed, x.shape[2]!);
}

/** GEGLU (Shazeer 2020) or tanh-GELU, four times as wide inside; x [n, t, c] -> [n, t, c]. */
export function feedForward(scope: Scope, x: Tensor, kind: 'geglu' | 'gelu-approximate'): Tensor {
  const size = x.shape.at(-1)!;
  const net = scope.child('net');
  const project = net.child(0).child('proj');
  return linear(net.child(2), gate(project, x, 4 * size, kind), size);
}

function gate(scope: Scope, x: Tensor, inner: number, kind: 'geglu' | 'gelu-approximate'): Tensor {
  if (kind === 'gelu-approximate') return g.gelu(linear(scope, x, inner), 'tanh');
  const [value, gates] = g.split(linear(scope, x, 2 * inner), 2) as [Tensor, Tensor];
  return g.mul(value, g.gelu(gates));
}
