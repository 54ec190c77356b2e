/** @file Batch normalisation with running statistics, Ioffe & Szegedy 2015, in torch's convention. */
import { elementCount } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import type { Scope } from './scope.js';

export interface BatchNormOptions {
  /** Default 1e-5. */
  readonly eps?: number;
  /** Share of the batch in the new running statistics, 0 to 1; default 0.1. */
  readonly momentum?: number;
}

export interface BatchNormTraining {
  /** Normalised by the statistics of this batch, shaped as x. */
  readonly output: Tensor;
  /** New value of `running_mean`, [c]; carries no gradient. */
  readonly runningMean: Tensor;
  /** New value of `running_var`, [c], from the unbiased variance; carries no gradient. */
  readonly runningVar: Tensor;
}

function vectors(scope: Scope, channels: number) {
  const shape = [channels];
  return {
    scale: scope.parameter('weight', shape),
    bias: scope.parameter('bias', shape),
    mean: scope.buffer('running_mean', shape),
    variance: scope.buffer('running_var', shape),
  };
}

/** Inference form: x [n, c, ..] normalised by the running statistics. */
export function batchNorm(scope: Scope, x: Tensor, options: BatchNormOptions = {}): Tensor {
  return g.batchNorm(x, vectors(scope, x.shape[1]!), options.eps);
}

/** Training form: x [n, c, ..] normalised by its own statistics, which also move the running ones. */
export function batchNormTraining(
  scope: Scope,
  x: Tensor,
  options: BatchNormOptions = {},
): BatchNormTraining {
  const { eps = 1e-5, momentum = 0.1 } = options;
  const channels = x.shape[1]!;
  const { scale, bias, mean, variance } = vectors(scope, channels);
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const broadcast = x.shape.map((size, axis) => (axis === 1 ? size : 1)); // [1, c, 1, ..]
  const batchMean = g.mean(x, axes, true);
  const centred = g.sub(x, batchMean);
  const batchVariance = g.mean(g.square(centred), axes, true);
  const normal = g.div(centred, g.sqrt(g.add(batchVariance, eps)));
  const output = g.add(g.mul(normal, g.reshape(scale, broadcast)), g.reshape(bias, broadcast));
  const count = elementCount(x.shape) / channels;
  const move = (old: Tensor, seen: Tensor, factor: number): Tensor => {
    const fresh = g.mul(g.reshape(g.stopGradient(seen), [channels]), momentum * factor);
    return g.add(g.mul(g.stopGradient(old), 1 - momentum), fresh);
  };
  return {
    output,
    runningMean: move(mean, batchMean, 1),
    runningVar: move(variance, batchVariance, count / Math.max(1, count - 1)),
  };
}
