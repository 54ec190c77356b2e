/** @file Sinusoidal timestep embedding (Ho et al. 2020; diffusers get_timestep_embedding) and the MLP after it. */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { type ActivationName, activate } from './activation.js';
import { linear } from './layers.js';
import type { Scope } from './scope.js';

export interface SinusoidOptions {
  /** Number of values per timestep; an odd count ends with a zero. */
  readonly size: number;
  /** Cosines before sines; default false. */
  readonly flipSinToCos?: boolean;
  /** Subtracted from half the size in the frequency exponent; default 1. */
  readonly downscaleFreqShift?: number;
  /** Longest period over 2π; default 10000. */
  readonly maxPeriod?: number;
}

/** Geometric frequencies, rounded to f32 step by step as torch does. */
function frequencies(half: number, shift: number, maxPeriod: number): Float32Array {
  const slope = Math.fround(-Math.log(maxPeriod));
  return Float32Array.from({ length: half }, (_, i) =>
    Math.exp(Math.fround(Math.fround(slope * i) / Math.fround(half - shift))),
  );
}

/** timesteps f32 [n], in steps of the schedule (fractions allowed) -> f32 [n, size]. */
export function sinusoidalEmbedding(timesteps: Tensor, options: SinusoidOptions): Tensor {
  const { size, flipSinToCos = false, downscaleFreqShift = 1, maxPeriod = 10_000 } = options;
  if (timesteps.shape.length !== 1) {
    throw complain('SHAPE', {
      where: 'sinusoidalEmbedding',
      expected: 'timesteps f32[n]',
      got: `${timesteps.dtype}[${timesteps.shape.join(',')}]`,
    });
  }
  const half = Math.floor(size / 2);
  const data = frequencies(half, downscaleFreqShift, maxPeriod);
  const rates = g.constant({ dtype: 'f32', shape: [1, half], data });
  const angles = g.mul(g.reshape(timesteps, [timesteps.shape[0]!, 1]), rates); // [n, half]
  const waves = [g.sin(angles), g.cos(angles)];
  const joined = g.concat(flipSinToCos ? waves.reverse() : waves, 1);
  return g.pad(joined, [0, 0], [0, size % 2]);
}

export interface TimestepMlpOptions {
  readonly size: number;
  /** Default silu. */
  readonly activation?: ActivationName;
  /** Applied to the output when given. */
  readonly postActivation?: ActivationName | undefined;
  /** Added to the input through `cond_proj`, [n, k]; guidance embedding of LCM models. */
  readonly condition?: Tensor | undefined;
}

/** diffusers `TimestepEmbedding`: x [n, in] -> [n, size] through linear_1, activation, linear_2. */
export function timestepMlp(scope: Scope, x: Tensor, options: TimestepMlpOptions): Tensor {
  const { size, activation = 'silu', postActivation, condition } = options;
  let h = x;
  if (condition) {
    const projected = linear(scope.child('cond_proj'), condition, x.shape[1]!, { bias: false });
    h = g.add(h, projected);
  }
  h = activate(activation, linear(scope.child('linear_1'), h, size));
  h = linear(scope.child('linear_2'), h, size);
  return postActivation ? activate(postActivation, h) : h;
}
