/** @file AdamW with decoupled weight decay (Loshchilov and Hutter 2019) and an average of the weights, in place. */

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
}

/** Everything an optimiser step changes. All vectors have one length. */
export interface OptimizerState {
  readonly parameters: Float32Array;
  /** Running mean of the gradient. */
  readonly firstMoment: Float32Array;
  /** Running mean of the squared gradient. */
  readonly secondMoment: Float32Array;
  /** Exponential moving average of the parameters. */
  readonly average: Float32Array;
}

export function createOptimizerState(parameters: Float32Array): OptimizerState {
  return {
    parameters,
    firstMoment: new Float32Array(parameters.length),
    secondMoment: new Float32Array(parameters.length),
    average: parameters.slice(),
  };
}

/** Euclidean norm of a gradient. */
export function gradientNorm(gradient: Float32Array): number {
  let total = 0;
  for (let i = 0; i < gradient.length; i++) total += gradient[i]! * gradient[i]!;
  return Math.sqrt(total);
}

export interface StepOptions extends AdamWOptions {
  readonly learningRate: number;
  /** Counted from 1. */
  readonly step: number;
  /** What the gradient is multiplied by: clipping and the share of a micro-batch. */
  readonly gradientScale: number;
  /** Parameters from this index on do not decay. */
  readonly decayedLength: number;
  /** Weight of the old average. */
  readonly averageDecay: number;
}

/** One update of parameters, moments and average. */
export function adamWStep(
  state: OptimizerState,
  gradient: Float32Array,
  options: StepOptions,
): void {
  const { decayedLength, weightDecay } = options;
  updateRange(state, gradient, options, 0, decayedLength, weightDecay);
  updateRange(state, gradient, options, decayedLength, gradient.length, 0);
}

function updateRange(
  { parameters, firstMoment, secondMoment, average }: OptimizerState,
  gradient: Float32Array,
  { betas: [beta1, beta2], eps, learningRate, step, gradientScale, averageDecay }: StepOptions,
  from: number,
  to: number,
  weightDecay: number,
): void {
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - learningRate * weightDecay;
  const [mix1, mix2, mixAverage] = [1 - beta1, 1 - beta2, 1 - averageDecay];
  for (let i = from; i < to; i++) {
    const g = gradient[i]! * gradientScale;
    const m = beta1 * firstMoment[i]! + mix1 * g;
    const v = beta2 * secondMoment[i]! + mix2 * g * g;
    const p = keep * parameters[i]! - (rate * m) / (Math.sqrt(v) * correction + eps);
    firstMoment[i] = m;
    secondMoment[i] = v;
    parameters[i] = p;
    average[i] = average[i]! + mixAverage * (p - average[i]!);
  }
}

/** Average decay with warm-up: 1 − (1 + step)^−¾, at most `most` (k-diffusion's EMA warm-up). */
export function averageDecayAt(step: number, most: number): number {
  return Math.min(most, 1 - (1 + step) ** -0.75);
}
