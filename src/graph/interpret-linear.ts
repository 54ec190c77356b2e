/** @file Interpreter kernels: matrix product, attention and the normalisations. */
import { elementCount } from '../core/tensor-data.js';
import { smallestScale } from './emit-int8.js';
import { broadcastIndices, type Kernel, type Kernels } from './interpret-kernel.js';

const matMul: Kernel<'MatMul'> = (inputs, node) => {
  const [a, b] = inputs as [Float64Array, Float64Array];
  const [shapeA, shapeB] = [node.inputs[0]!.shape, node.inputs[1]!.shape];
  const [m, k, n] = [shapeA.at(-2)!, shapeA.at(-1)!, shapeB.at(-1)!];
  const batch = node.shape.slice(0, -2);
  const batchA = broadcastIndices(shapeA.slice(0, -2), batch);
  const batchB = broadcastIndices(shapeB.slice(0, -2), batch);
  const out = new Float64Array(elementCount(node.shape));
  for (let at = 0; at < batchA.length; at++) {
    const [startA, startB, start] = [batchA[at]! * m * k, batchB[at]! * k * n, at * m * n];
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const left = a[startA + i * k + p]!;
        const [row, to] = [startB + p * n, start + i * n];
        for (let j = 0; j < n; j++) out[to + j]! += left * b[row + j]!;
      }
    }
  }
  return out;
};

/** Nearest whole number, halves to even. */
function roundEven(value: number): number {
  const whole = Math.round(value);
  return whole - value === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}

const f = Math.fround;

/** Rounds in f32, as what is compared with it does: half a step apart is far apart. */
const int8MatMul: Kernel<'Int8MatMul'> = (inputs, node) => {
  const [x, weight, bias] = inputs as [Float64Array, Float64Array, Float64Array?];
  const [k, n] = node.inputs[1]!.shape as [number, number];
  const least = Math.min(
    0,
    x.reduce((a, b) => Math.min(a, b), 0),
  );
  const range = x.reduce((a, b) => Math.max(a, b), 0) - least;
  const step = f(f(range) / 255) || 1;
  const zero = roundEven(f(f(-least) / step));
  const levels = x.map((value) => {
    const level = roundEven(f(f(value) / step)) + zero;
    return Math.min(255, Math.max(0, level)) - zero;
  });
  const out = new Float64Array(elementCount(node.shape));
  for (let j = 0; j < n; j++) {
    let largest = 0;
    for (let p = 0; p < k; p++) largest = Math.max(largest, Math.abs(weight[p * n + j]!));
    const scale = Math.max(f(f(largest) / 63), smallestScale);
    const column = Float64Array.from({ length: k }, (_, p) =>
      roundEven(f(f(weight[p * n + j]!) / scale)),
    );
    for (let i = 0; i < out.length / n; i++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += levels[i * k + p]! * column[p]!;
      out[i * n + j] = sum * step * scale + (bias?.[j] ?? 0);
    }
  }
  return out;
};

function softmaxInPlace(scores: Float64Array): void {
  const largest = scores.reduce((best, score) => Math.max(best, score), Number.NEGATIVE_INFINITY);
  let total = 0;
  for (let i = 0; i < scores.length; i++) total += scores[i] = Math.exp(scores[i]! - largest);
  for (let i = 0; i < scores.length; i++) scores[i]! /= total;
}

/** Causal means as torch's `is_causal`: query i sees keys 0 to i. */
const attention: Kernel<'Attention'> = (inputs, node) => {
  const [query, key, value, bias] = inputs as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array?,
  ];
  const { heads, scale, causal } = node.attributes;
  const [n, s, width] = node.inputs[0]!.shape as [number, number, number];
  const [, t, valueWidth] = node.inputs[2]!.shape as [number, number, number];
  const [d, e] = [width / heads, valueWidth / heads];
  const biasAt = bias && broadcastIndices(node.inputs[3]!.shape, [n, heads, s, t]);
  const out = new Float64Array(elementCount(node.shape));
  for (let line = 0; line < n * heads * s; line++) {
    const i = line % s;
    const head = Math.floor(line / s) % heads;
    const sample = Math.floor(line / s / heads);
    const q = (sample * s + i) * width + head * d;
    const scores = new Float64Array(causal ? Math.min(i + 1, t) : t);
    for (let j = 0; j < scores.length; j++) {
      const k = (sample * t + j) * width + head * d;
      let dot = 0;
      for (let p = 0; p < d; p++) dot += query[q + p]! * key[k + p]!;
      scores[j] = scale * dot + (biasAt ? bias[biasAt[line * t + j]!]! : 0);
    }
    softmaxInPlace(scores);
    const to = (sample * s + i) * valueWidth + head * e;
    for (let j = 0; j < scores.length; j++) {
      const from = (sample * t + j) * valueWidth + head * e;
      for (let p = 0; p < e; p++) out[to + p]! += scores[j]! * value[from + p]!;
    }
  }
  return out;
};

/** Mean and 1/√(variance + eps) of each run of `size` values. */
function* moments(
  x: Float64Array,
  size: number,
  eps: number,
): Generator<{ start: number; mean: number; invStdDev: number }> {
  for (let start = 0; start < x.length; start += size) {
    let total = 0;
    for (let i = start; i < start + size; i++) total += x[i]!;
    const mean = total / size;
    let squares = 0;
    for (let i = start; i < start + size; i++) squares += (x[i]! - mean) ** 2;
    yield { start, mean, invStdDev: 1 / Math.sqrt(squares / size + eps) };
  }
}

function normalised(x: Float64Array, size: number, eps: number): Float64Array {
  const out = new Float64Array(x.length);
  for (const { start, mean, invStdDev } of moments(x, size, eps)) {
    for (let i = start; i < start + size; i++) out[i] = (x[i]! - mean) * invStdDev;
  }
  return out;
}

const layerNorm: Kernel<'LayerNorm'> = (inputs, node) => {
  const [x, scale, bias] = inputs as [Float64Array, Float64Array?, Float64Array?];
  const size = node.shape.at(-1)!;
  const normal = normalised(x, size, node.attributes.eps);
  return normal.map((value, i) => value * (scale?.[i % size] ?? 1) + (bias?.[i % size] ?? 0));
};

const invStdDev: Kernel<'InvStdDev'> = (inputs, node) => {
  const size = node.inputs[0]!.shape.at(-1)!;
  return Float64Array.from(
    moments(inputs[0]!, size, node.attributes.eps),
    (moment) => moment.invStdDev,
  );
};

const rmsNorm: Kernel<'RmsNorm'> = (inputs, node) => {
  const [x, scale] = inputs as [Float64Array, Float64Array?];
  const size = node.shape.at(-1)!;
  const out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[start + i]! ** 2;
    const factor = 1 / Math.sqrt(squares / size + node.attributes.eps);
    for (let i = 0; i < size; i++) out[start + i] = x[start + i]! * factor * (scale?.[i] ?? 1);
  }
  return out;
};

const groupNorm: Kernel<'GroupNorm'> = (inputs, node) => {
  const [x, scale, bias] = inputs as [Float64Array, Float64Array, Float64Array];
  const [n, channels] = node.shape as [number, number];
  const normal = normalised(x, x.length / (n * node.attributes.groups), node.attributes.eps);
  const plane = x.length / (n * channels);
  return normal.map((value, i) => {
    const channel = Math.floor(i / plane) % channels;
    return value * scale[channel]! + bias[channel]!;
  });
};

const batchNorm: Kernel<'BatchNorm'> = (inputs, node) => {
  const [x, scale, bias, mean, variance] = inputs as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [n, channels] = node.shape as [number, number];
  const plane = x.length / (n * channels);
  const factor = scale.map((value, c) => value / Math.sqrt(variance[c]! + node.attributes.eps));
  return x.map((value, i) => {
    const channel = Math.floor(i / plane) % channels;
    return (value - mean[channel]!) * factor[channel]! + bias[channel]!;
  });
};

export const linearKernels = {
  MatMul: matMul,
  Int8MatMul: int8MatMul,
  Attention: attention,
  LayerNorm: layerNorm,
  InvStdDev: invStdDev,
  RmsNorm: rmsNorm,
  GroupNorm: groupNorm,
  BatchNorm: batchNorm,
} as const satisfies Partial<Kernels>;
