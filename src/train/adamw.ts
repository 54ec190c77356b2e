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

/** A range of a flat vector. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A vector in memory that worker threads share. */
export function sharedVector(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

function sharedCopy(vector: Float32Array): Float32Array {
  const copy = sharedVector(vector.length);
  copy.set(vector);
  return copy;
}

/** A fresh state around parameters, in shared memory. */
export function createOptimizerState(parameters: Float32Array): OptimizerState {
  return {
    parameters: sharedCopy(parameters),
    firstMoment: sharedVector(parameters.length),
    secondMoment: sharedVector(parameters.length),
    average: sharedCopy(parameters),
  };
}

/** A copy of a state in shared memory. */
export function shareState(state: OptimizerState): OptimizerState {
  return {
    parameters: sharedCopy(state.parameters),
    firstMoment: sharedCopy(state.firstMoment),
    secondMoment: sharedCopy(state.secondMoment),
    average: sharedCopy(state.average),
  };
}

/** Sum of the squares of a range; four running sums, since one would wait for itself at every value. */
export function squaresOf(vector: Float32Array, { from, to }: Range): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = from;
  for (; i + 3 < to; i += 4) {
    a += vector[i]! * vector[i]!;
    b += vector[i + 1]! * vector[i + 1]!;
    c += vector[i + 2]! * vector[i + 2]!;
    d += vector[i + 3]! * vector[i + 3]!;
  }
  for (; i < to; i++) a += vector[i]! * vector[i]!;
  return a + b + c + d;
}

/** Adds a range of one vector to the same range of another. */
export function addInto(sum: Float32Array, part: Float32Array, { from, to }: Range): void {
  for (let i = from; i < to; i++) sum[i] = sum[i]! + part[i]!;
}

/** `addInto`, then `squaresOf`, in one pass over memory. */
export function addAndSquare(sum: Float32Array, part: Float32Array, { from, to }: Range): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = from;
  for (; i + 3 < to; i += 4) {
    const [w, x] = [sum[i]! + part[i]!, sum[i + 1]! + part[i + 1]!];
    const [y, z] = [sum[i + 2]! + part[i + 2]!, sum[i + 3]! + part[i + 3]!];
    [sum[i], sum[i + 1], sum[i + 2], sum[i + 3]] = [w, x, y, z];
    a += w * w;
    b += x * x;
    c += y * y;
    d += z * z;
  }
  for (; i < to; i++) {
    const w = sum[i]! + part[i]!;
    sum[i] = w;
    a += w * w;
  }
  return a + b + c + d;
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

/** One update of parameters, moments and average, of all values or those of a range. */
export function adamWStep(
  state: OptimizerState,
  gradient: Float32Array,
  options: StepOptions,
  { from, to }: Range = { from: 0, to: gradient.length },
): void {
  const { decayedLength, weightDecay } = options;
  const border = Math.min(Math.max(decayedLength, from), to);
  updateRange(state, gradient, options, from, border, weightDecay);
  updateRange(state, gradient, options, border, to, 0);
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
