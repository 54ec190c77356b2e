/** @file Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), over balls around k-th neighbours. */
import { type MeasuredValue, meanWithInterval, type ResampleOptions } from './bootstrap.js';
import { type FeatureRows, requireFeatures } from './feature-rows.js';
import { eachTile, type PairwiseOptions, squaresOf, type Tile } from './row-products.js';
import { requireWhole } from './whole-number.js';

export interface PrecisionRecallOptions extends PairwiseOptions, ResampleOptions {
  /** Which neighbour gives a ball its radius. Default 3. */
  readonly neighbour?: number | undefined;
}

/** Intervals draw the pictures that are judged again; the balls stay as they are. */
export interface PrecisionRecall {
  /** Share of fake pictures inside a ball of a real one. */
  readonly precision: MeasuredValue;
  /** Share of real pictures inside a ball of a fake one. */
  readonly recall: MeasuredValue;
  /** Balls of real pictures around a fake one, over k. */
  readonly density: MeasuredValue;
  /** Share of real pictures with a fake one in their ball. */
  readonly coverage: MeasuredValue;
}

/** A ball does not hold its surface, as in the authors' package prdc. Throws DATA, USAGE, CANCELLED. */
export async function precisionRecall(
  real: FeatureRows,
  fake: FeatureRows,
  options: PrecisionRecallOptions = {},
): Promise<PrecisionRecall> {
  const { neighbour = 3 } = options;
  requireWhole('precisionRecall: neighbour', neighbour, [1, 1_000_000]);
  requireFeatures('precision and recall', neighbour + 1, real, fake);
  const third = (part: number): PairwiseOptions => ({
    ...options,
    onProgress: (share) => options.onProgress?.((part + share) / 3),
  });
  const realRadii = await squaredRadii(real, neighbour, third(0));
  const fakeRadii = await squaredRadii(fake, neighbour, third(1));
  const ballsAroundFake = new Float64Array(fake.count);
  const isInFakeBall = new Float64Array(real.count);
  const holdsFake = new Float64Array(real.count);
  const squares = [squaresOf(real), squaresOf(fake)] as const;
  await eachTile(real, fake, third(2), (tile) => {
    eachDistance(tile, [real, fake], squares, (i, j, distance) => {
      if (distance < realRadii[i]!) {
        ballsAroundFake[j]! += 1;
        holdsFake[i] = 1;
      }
      if (distance < fakeRadii[j]!) isInFakeBall[i] = 1;
    });
  });
  const share = (values: Float64Array): MeasuredValue => meanWithInterval(values, options, [0, 1]);
  const unbounded = [0, Number.POSITIVE_INFINITY] as const;
  return {
    precision: share(ballsAroundFake.map((balls) => (balls > 0 ? 1 : 0))),
    recall: share(isInFakeBall),
    density: meanWithInterval(
      ballsAroundFake.map((balls) => balls / neighbour),
      options,
      unbounded,
    ),
    coverage: share(holdsFake),
  };
}

/** Squared distance of every row to its k-th nearest other row. */
async function squaredRadii(
  rows: FeatureRows,
  k: number,
  options: PairwiseOptions,
): Promise<Float64Array> {
  const nearest = new Float64Array(rows.count * k).fill(Number.POSITIVE_INFINITY);
  const squares = squaresOf(rows);
  await eachTile(rows, rows, options, (tile) => {
    const isMirrored = tile.firstA !== tile.firstB;
    eachDistance(tile, [rows, rows], [squares, squares], (i, j, distance) => {
      if (i === j) return;
      keepSmallest(nearest, i * k, k, distance);
      if (isMirrored) keepSmallest(nearest, j * k, k, distance);
    });
  });
  return Float64Array.from({ length: rows.count }, (_, i) => nearest[i * k + k - 1]!);
}

/** Puts `value` in its place among the k smallest, ascending from `start`. */
function keepSmallest(list: Float64Array, start: number, k: number, value: number): void {
  let at = start + k - 1;
  if (value >= list[at]!) return;
  for (; at > start && list[at - 1]! > value; at--) list[at] = list[at - 1]!;
  list[at] = value;
}

/** Below this share of |a|² + |b|² the difference of large numbers says too little of a distance. */
const cancellation = 1e-8;

function eachDistance(
  { rows, columns, dots, firstA, firstB }: Tile,
  [a, b]: readonly [FeatureRows, FeatureRows],
  [squaresA, squaresB]: readonly [Float64Array, Float64Array],
  visit: (i: number, j: number, squaredDistance: number) => void,
): void {
  for (let row = 0; row < rows; row++) {
    const i = firstA + row;
    for (let column = 0; column < columns; column++) {
      const j = firstB + column;
      const scale = squaresA[i]! + squaresB[j]!;
      const square = scale - 2 * dots[row * columns + column]!;
      visit(i, j, square > cancellation * scale ? square : exactSquare(a, i, b, j));
    }
  }
}

function exactSquare(a: FeatureRows, i: number, b: FeatureRows, j: number): number {
  let sum = 0;
  for (let k = 0; k < a.size; k++) sum += (a.data[i * a.size + k]! - b.data[j * b.size + k]!) ** 2;
  return sum;
}
