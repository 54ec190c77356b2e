/** @file Maximum mean discrepancies (Gretton et al. 2012): KID (Bińkowski et al. 2018) and CMMD (Jayasumana et al. 2024). */
import { TorchGenerator } from '../core/random.js';
import { randomPermutation } from '../core/random-permutation.js';
import {
  type Interval,
  intervalAround,
  type MeasuredValue,
  otherSeed,
  type ResampleOptions,
  resampleCounts,
  variance,
} from './bootstrap.js';
import { type FeatureRows, pickRows, requireFeatures, unitFeatures } from './feature-rows.js';
import { type KernelMeans, kernelMeans, type PairKernel, type SetWeights } from './kernel-sums.js';
import type { PairwiseOptions } from './row-products.js';
import { requireWhole } from './whole-number.js';

export interface KidOptions extends PairwiseOptions, ResampleOptions {
  /** Random subsets whose estimates are averaged. Default 100. */
  readonly subsets?: number | undefined;
  /** Pictures of each set in a subset. Default 1000, or all pictures of the smaller set if fewer. */
  readonly subsetSize?: number | undefined;
  /** Power of the kernel (γ·x·y + c)ᵈ. Default 3. */
  readonly degree?: number | undefined;
  /** Default 1 over the number of features. */
  readonly gamma?: number | undefined;
  /** Default 1. */
  readonly coefficient?: number | undefined;
}

export interface KidResult {
  /** Mean over the subsets; unbiased, so it may be negative. */
  readonly value: number;
  /** Standard deviation over the subsets. */
  readonly deviation: number;
  readonly subsets: number;
  readonly subsetSize: number;
  /** Undefined when no resamples were asked for. */
  readonly interval: Interval | undefined;
}

/**
 * KID. Subsets are those of torchmetrics under `torch.manual_seed(seed)`; when they hold all
 * pictures of both sets, one is enough. Throws DATA, USAGE, CANCELLED.
 */
export async function kid(
  real: FeatureRows,
  fake: FeatureRows,
  options: KidOptions = {},
): Promise<KidResult> {
  requireFeatures('kid', 2, real, fake);
  const { subsets = 100, seed = 0, bootstrap = 100 } = options;
  const smaller = Math.min(real.count, fake.count);
  const subsetSize = options.subsetSize ?? Math.min(1000, smaller);
  requireWhole('kid: subsets', subsets, [1, 1_000_000]);
  requireWhole('kid: subsetSize', subsetSize, [2, smaller]);
  const kernel = polynomial(real.size, options);
  const isWhole = subsetSize === real.count && subsetSize === fake.count;
  const drawn = isWhole
    ? [{ real: allOf(real), fake: allOf(fake) }]
    : drawSubsets(real, fake, { subsets, subsetSize, seed });
  // One pass over all pairs serves every subset and resample; few small subsets alone cost less.
  const isOnePass = bootstrap >= 2 || real.count * fake.count <= drawn.length * subsetSize ** 2;
  const { values, resampled } = isOnePass
    ? await inOnePass(real, fake, { ...options, kernel, drawn })
    : await subsetBySubset(real, fake, { ...options, kernel, drawn });
  const value = meanOf(values);
  return {
    value,
    deviation: Math.sqrt(variance(values)),
    subsets: values.length,
    subsetSize,
    interval: intervalAround(value, resampled),
  };
}

/** Positions of the pictures of a subset. */
interface Subset {
  readonly real: Int32Array;
  readonly fake: Int32Array;
}

interface SubsetOptions extends KidOptions {
  readonly kernel: PairKernel;
  readonly drawn: readonly Subset[];
}

interface Estimates {
  /** Of each subset. */
  readonly values: readonly number[];
  /** Of each resample. */
  readonly resampled: readonly number[];
}

const allOf = ({ count }: FeatureRows): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => i);

/** In the order torchmetrics draws them: a permutation of the real set, then one of the other. */
function drawSubsets(
  real: FeatureRows,
  fake: FeatureRows,
  { subsets, subsetSize, seed }: { subsets: number; subsetSize: number; seed: number },
): Subset[] {
  const random = new TorchGenerator(seed);
  return Array.from({ length: subsets }, () => ({
    real: randomPermutation(random, real.count).slice(0, subsetSize),
    fake: randomPermutation(random, fake.count).slice(0, subsetSize),
  }));
}

async function inOnePass(
  real: FeatureRows,
  fake: FeatureRows,
  { drawn, bootstrap = 100, seed = 0, ...options }: SubsetOptions,
): Promise<Estimates> {
  const weights = [
    ...drawn.map((subset) => ({
      real: marked(subset.real, real.count),
      fake: marked(subset.fake, fake.count),
    })),
    ...weightsOf(real, fake, bootstrap, seed),
  ];
  const estimates = (await kernelMeans(real, fake, { ...options, weights })).map(unbiased);
  return {
    values: estimates.slice(0, drawn.length),
    resampled: estimates.slice(drawn.length),
  };
}

/** 1 at the positions, 0 elsewhere. */
function marked(positions: Int32Array, count: number): Float64Array {
  const marks = new Float64Array(count);
  for (const position of positions) marks[position] = 1;
  return marks;
}

async function subsetBySubset(
  real: FeatureRows,
  fake: FeatureRows,
  { drawn, onProgress, ...options }: SubsetOptions,
): Promise<Estimates> {
  const values: number[] = [];
  for (const [i, subset] of drawn.entries()) {
    const sets = [pickRows(real, subset.real), pickRows(fake, subset.fake)] as const;
    const [means] = await kernelMeans(...sets, { ...options, weights: [onesOf(...sets)] });
    values.push(unbiased(means!));
    onProgress?.((i + 1) / drawn.length);
  }
  return { values, resampled: [] };
}

function polynomial(size: number, options: KidOptions): PairKernel {
  const { degree = 3, gamma = 1 / size, coefficient = 1 } = options;
  requireWhole('kid: degree', degree, [1, 100]);
  if (degree === 3) {
    return (dot) => {
      const base = gamma * dot + coefficient;
      return base * base * base;
    };
  }
  return (dot) => (gamma * dot + coefficient) ** degree;
}

export interface CmmdOptions extends PairwiseOptions, ResampleOptions {}

/** Width of the Gaussian kernel and the factor for show, both of the published code. */
const cmmdSigma = 10;
const cmmdScale = 1000;

/** CMMD of CLIP embeddings, which are scaled to length 1 here. Throws DATA, CANCELLED. */
export async function cmmd(
  real: FeatureRows,
  fake: FeatureRows,
  options: CmmdOptions = {},
): Promise<MeasuredValue> {
  requireFeatures('cmmd', 1, real, fake);
  const { bootstrap = 100, seed = 0 } = options;
  const gamma = 1 / (2 * cmmdSigma ** 2);
  const [x, y] = [unitFeatures(real), unitFeatures(fake)] as const;
  const [value, ...resampled] = (
    await kernelMeans(x, y, {
      ...options,
      kernel: (dot, squares) => Math.exp(-gamma * (squares - 2 * dot)),
      weights: [onesOf(x, y), ...weightsOf(x, y, bootstrap, seed)],
    })
  ).map((means) => cmmdScale * (means.realWithSelf + means.fakeWithSelf - 2 * means.cross));
  const range = [0, Number.POSITIVE_INFINITY] as const;
  return { value: value!, interval: intervalAround(value!, resampled, range) };
}

const unbiased = ({ real, fake, cross }: KernelMeans): number => real + fake - 2 * cross;
const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function onesOf(real: FeatureRows, fake: FeatureRows): SetWeights {
  const ones = ({ count }: FeatureRows): Float64Array => new Float64Array(count).fill(1);
  return { real: ones(real), fake: ones(fake) };
}

/** Both sets drawn again, with seeds apart from each other. */
function weightsOf(
  real: FeatureRows,
  fake: FeatureRows,
  resamples: number,
  seed: number,
): SetWeights[] {
  const ofFake = resampleCounts(fake.count, resamples, otherSeed(seed));
  return resampleCounts(real.count, resamples, seed).map((counts, i) => ({
    real: counts,
    fake: ofFake[i]!,
  }));
}
