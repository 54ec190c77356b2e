/** @file Sums of a kernel over pairs of pictures, for the picture sets as they are and for resamples of them. */
import type { FeatureRows } from './feature-rows.js';
import { eachTile, type PairwiseOptions, squaresOf, type Tile } from './row-products.js';

/** k(a, b) from a·b and |a|² + |b|². */
export type PairKernel = (dot: number, squares: number) => number;

/** How often each picture counts. */
export interface SetWeights {
  readonly real: Float64Array;
  readonly fake: Float64Array;
}

/** Weighted means of the kernel over the pairs of a set with itself and of both sets. */
export interface KernelMeans {
  /** Over pairs of different pictures of the real set. */
  readonly real: number;
  readonly fake: number;
  /** Over all pairs, each picture with itself among them. */
  readonly realWithSelf: number;
  readonly fakeWithSelf: number;
  readonly cross: number;
}

/** One entry for each entry of `weights`. Throws CANCELLED. */
export async function kernelMeans(
  real: FeatureRows,
  fake: FeatureRows,
  {
    kernel,
    weights,
    ...options
  }: PairwiseOptions & {
    readonly kernel: PairKernel;
    readonly weights: readonly SetWeights[];
  },
): Promise<KernelMeans[]> {
  const third = (part: number): PairwiseOptions => ({
    ...options,
    onProgress: (share) => options.onProgress?.((part + share) / 3),
  });
  const ofReal = weights.map((entry) => entry.real);
  const ofFake = weights.map((entry) => entry.fake);
  const inReal = await pairSums([real, real], [ofReal, ofReal], kernel, third(0));
  const inFake = await pairSums([fake, fake], [ofFake, ofFake], kernel, third(1));
  const across = await pairSums([real, fake], [ofReal, ofFake], kernel, third(2));
  return weights.map((entry, i) => {
    const [n, m] = [sum(entry.real), sum(entry.fake)];
    const [nn, mm] = [squareSum(entry.real), squareSum(entry.fake)];
    return {
      real: inReal[i]!.apart / (n * n - nn),
      fake: inFake[i]!.apart / (m * m - mm),
      realWithSelf: (inReal[i]!.apart + inReal[i]!.self) / (n * n),
      fakeWithSelf: (inFake[i]!.apart + inFake[i]!.self) / (m * m),
      cross: across[i]!.apart / (n * m),
    };
  });
}

/** Σ w·w′·k over pairs of different pictures, and of pictures with themselves. */
interface PairSum {
  apart: number;
  self: number;
}

type Two<T> = readonly [T, T];

async function pairSums(
  [a, b]: Two<FeatureRows>,
  [weightsA, weightsB]: Two<readonly Float64Array[]>,
  kernel: PairKernel,
  options: PairwiseOptions,
): Promise<PairSum[]> {
  const squares: Two<Float64Array> = [squaresOf(a), squaresOf(b)];
  const sums = weightsA.map((): PairSum => ({ apart: 0, self: 0 }));
  await eachTile(a, b, options, (tile) => {
    applyKernel(tile, squares, kernel);
    const isMirrored = a === b && tile.firstA !== tile.firstB;
    const diagonal = a === b && !isMirrored ? takeDiagonal(tile) : [];
    sums.forEach((total, s) => {
      const [left, right] = [weightsA[s]!, weightsB[s]!];
      total.apart += (isMirrored ? 2 : 1) * weightedSum(tile, left, right);
      diagonal.forEach((value, i) => {
        total.self += left[tile.firstA + i]! ** 2 * value;
      });
    });
  });
  return sums;
}

function applyKernel(
  tile: Tile,
  [squaresA, squaresB]: Two<Float64Array>,
  kernel: PairKernel,
): void {
  const { rows, columns, dots, firstA, firstB } = tile;
  for (let i = 0; i < rows; i++) {
    const square = squaresA[firstA + i]!;
    for (let j = 0; j < columns; j++) {
      const at = i * columns + j;
      dots[at] = kernel(dots[at]!, square + squaresB[firstB + j]!);
    }
  }
}

/** The diagonal, which is zero afterwards. */
function takeDiagonal({ rows, columns, dots }: Tile): number[] {
  return Array.from({ length: rows }, (_, i) => {
    const value = dots[i * columns + i]!;
    dots[i * columns + i] = 0;
    return value;
  });
}

function weightedSum(
  { rows, columns, dots, firstA, firstB }: Tile,
  left: Float64Array,
  right: Float64Array,
): number {
  let total = 0;
  for (let i = 0; i < rows; i++) {
    const weight = left[firstA + i]!;
    if (weight === 0) continue;
    let row = 0;
    for (let j = 0; j < columns; j++) row += dots[i * columns + j]! * right[firstB + j]!;
    total += weight * row;
  }
  return total;
}

const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
const squareSum = (values: Float64Array): number =>
  values.reduce((total, value) => total + value * value, 0);
