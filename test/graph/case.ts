/** @file What a row of the operation table is, and how its inputs get seeded values. */
import type { TensorData } from '../../src/core/tensor-data.js';
import { elementCount } from '../../src/core/tensor-data.js';
import type { GraphDtype, Op } from '../../src/graph/ops.js';
import { input, parameter, type Tensor } from '../../src/graph/tensor.js';

/**
 * Where values come from. `any`: (-2, 2), at least 0.05 from every multiple of ½, where steps and
 * kinks lie. `wide`: (-30, 30). `exact`: multiples of 1/16, which every float dtype holds.
 */
export type Domain =
  | 'any'
  | 'positive'
  | 'wide'
  | 'exact'
  | 'bool'
  | { readonly from: number; readonly to: number };

export interface CaseInput {
  readonly shape: readonly number[];
  /** `float` is f64 where gradients are checked and f32 where ONNX Runtime runs. */
  readonly dtype: 'float' | GraphDtype;
  readonly domain: Domain;
  readonly leaf: 'Input' | 'Parameter';
}

export interface OpCase {
  readonly op: Op;
  readonly name: string;
  readonly inputs: readonly CaseInput[];
  readonly build: (...inputs: Tensor[]) => Tensor;
  /** Relative error allowed to ONNX Runtime where a row computes in f16; default 1e-4. */
  readonly tolerance?: number;
  /** Channels ONNX Runtime must take at once on the processor to run it. */
  readonly block?: number;
}

export const float = (shape: readonly number[], domain: Domain = 'any'): CaseInput => ({
  shape,
  dtype: 'float',
  domain,
  leaf: 'Input',
});
/** Whole numbers from `from` to `to`, both included. */
export const integers = (
  shape: readonly number[],
  from: number,
  to: number,
  dtype: 'i64' | 'i32' | 'float' = 'i64',
): CaseInput => ({ shape, dtype, domain: { from, to }, leaf: 'Input' });
/** Indices into an axis of `size`. */
export const index = (
  shape: readonly number[],
  size: number,
  dtype: 'i64' | 'i32' = 'i64',
): CaseInput => integers(shape, 0, size - 1, dtype);
export const bool = (shape: readonly number[]): CaseInput => ({
  shape,
  dtype: 'bool',
  domain: 'bool',
  leaf: 'Input',
});

/** Mulberry32: a small generator so that every run checks the same numbers. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function draw(domain: Domain, random: () => number): number {
  if (typeof domain === 'object') {
    return domain.from + Math.floor(random() * (domain.to - domain.from + 1));
  }
  switch (domain) {
    case 'any':
      return (Math.floor(random() * 8) - 4) / 2 + 0.05 + 0.4 * random();
    case 'positive':
      return 0.3 + 2 * random();
    case 'wide':
      return 60 * random() - 30;
    case 'exact':
      return (Math.floor(random() * 64) - 32) / 16 + 1 / 32;
    case 'bool':
      return random() < 0.5 ? 0 : 1;
  }
}

/** Seeded values of a shape. */
export function values(shape: readonly number[], domain: Domain, seed: number): Float64Array {
  const random = seeded(seed);
  return Float64Array.from({ length: elementCount(shape) }, () => draw(domain, random));
}

export interface BuiltCase {
  readonly leaves: readonly Tensor[];
  readonly output: Tensor;
  /** Values that f32 holds exactly, so that both engines start from the same numbers. */
  readonly feeds: Map<string, Float64Array>;
}

/** The row's graph with its leaves and their values. */
export function buildCase(row: OpCase, floatDtype: 'f64' | 'f32'): BuiltCase {
  const leaves = row.inputs.map(({ shape, dtype, leaf }, i) => {
    const make = leaf === 'Input' ? input : parameter;
    return make(`x${i}`, shape, dtype === 'float' ? floatDtype : dtype);
  });
  const feeds = new Map<string, Float64Array>();
  for (const [i, { shape, domain }] of row.inputs.entries()) {
    feeds.set(`x${i}`, values(shape, domain, 1000 + i).map(Math.fround));
  }
  return { leaves, output: row.build(...leaves), feeds };
}

/** Numbers as a host array of a graph dtype. */
export function toTensorData(
  numbers: Float64Array,
  shape: readonly number[],
  dtype: Exclude<GraphDtype, 'f16'>,
): TensorData {
  switch (dtype) {
    case 'f64':
      return { dtype, shape, data: numbers };
    case 'f32':
      return { dtype, shape, data: Float32Array.from(numbers) };
    case 'i64':
      return { dtype, shape, data: BigInt64Array.from(Array.from(numbers, BigInt)) };
    case 'i32':
      return { dtype, shape, data: Int32Array.from(numbers) };
    case 'bool':
      return { dtype, shape, data: Uint8Array.from(numbers) };
  }
}
