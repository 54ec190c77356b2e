/** @file Inception score (Salimans et al. 2016): exp of the mean divergence of a picture's classes from those of its split. */
import { TorchGenerator } from '../core/random.js';
import { randomPermutation } from '../core/random-permutation.js';
import {
  type Interval,
  intervalAround,
  otherSeed,
  type ResampleOptions,
  variance,
} from './bootstrap.js';
import { type FeatureRows, requireFeatures } from './feature-rows.js';
import { requireWhole } from './whole-number.js';

export interface InceptionScoreOptions extends ResampleOptions {
  /** Parts of the set that are scored apart. Default 10. */
  readonly splits?: number | undefined;
  /** False takes the pictures in their order. Default true: in the order of `torch.randperm`. */
  readonly isShuffled?: boolean | undefined;
}

export interface InceptionScore {
  /** Mean over the splits. */
  readonly value: number;
  /** Standard deviation over the splits, of a sample as in torchmetrics; 0 for one split. */
  readonly deviation: number;
  readonly splits: number;
  /** Undefined when no resamples were asked for. */
  readonly interval: Interval | undefined;
}

/** The score of class logits [count, classes] at hand. Throws DATA, USAGE. */
export function inceptionScore(
  logits: FeatureRows,
  options: InceptionScoreOptions = {},
): InceptionScore {
  requireFeatures('inception score', 1, logits);
  const collector = new InceptionScoreCollector(logits.size, logits.count, options);
  collector.add(logits);
  return collector.score();
}

/** Sums over pictures of one split, for the set as it is or one resample. */
interface SplitSums {
  count: number;
  /** Σ Σ p·log p. */
  negativeEntropy: number;
  /** Σ p, [classes]. */
  readonly probabilities: Float64Array;
}

/**
 * Scores logits as they come, in memory that does not grow with their number. Splits are `chunk`s
 * of torch: of ⌈expected / splits⌉ pictures each, so there may be fewer of them.
 */
export class InceptionScoreCollector {
  readonly #classes: number;
  readonly #splitOf: Int32Array;
  /** [resample][split], resample 0 being the set as it is. */
  readonly #sums: SplitSums[][];
  readonly #random: TorchGenerator;
  #seen = 0;

  /** `expected`: how many pictures will come at most. */
  constructor(classes: number, expected: number, options: InceptionScoreOptions) {
    const { splits = 10, isShuffled = true, bootstrap = 100, seed = 0 } = options;
    requireWhole('inception score: splits', splits, [1, 1_000_000]);
    this.#classes = classes;
    this.#splitOf = splitsOf(expected, splits, isShuffled ? seed : undefined);
    const used = Math.max(0, ...this.#splitOf) + 1;
    const empty = (): SplitSums[] =>
      Array.from({ length: used }, () => ({
        count: 0,
        negativeEntropy: 0,
        probabilities: new Float64Array(classes),
      }));
    this.#sums = Array.from({ length: (bootstrap < 2 ? 0 : bootstrap) + 1 }, empty);
    this.#random = new TorchGenerator(otherSeed(seed));
  }

  add({ count, data }: FeatureRows): void {
    const p = new Float64Array(this.#classes);
    for (let i = 0; i < count; i++) {
      const row = data.subarray(i * this.#classes, (i + 1) * this.#classes);
      const negativeEntropy = softmax(row, p);
      const split = this.#splitOf[this.#seen++]!;
      this.#sums.forEach((splits, resample) => {
        const weight = resample === 0 ? 1 : poisson(this.#random);
        addPicture(splits[split]!, p, negativeEntropy, weight);
      });
    }
  }

  score(): InceptionScore {
    const [scores = [], ...resampled] = this.#sums.map((splits) =>
      splits.filter(({ count }) => count > 0).map(splitScore),
    );
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const value = mean(scores);
    const splits = scores.length;
    const deviation = splits < 2 ? 0 : Math.sqrt((variance(scores) * splits) / (splits - 1));
    const means = resampled.filter(({ length }) => length > 0).map(mean);
    const interval = intervalAround(value, means, [1, Number.POSITIVE_INFINITY]);
    return { value, deviation, splits, interval };
  }
}

function splitsOf(count: number, splits: number, seed: number | undefined): Int32Array {
  const size = Math.ceil(count / splits);
  const splitOf = new Int32Array(count);
  const order = seed === undefined ? undefined : randomPermutation(new TorchGenerator(seed), count);
  for (let i = 0; i < count; i++) splitOf[order?.[i] ?? i] = Math.floor(i / size);
  return splitOf;
}

function addPicture(
  sums: SplitSums,
  p: Float64Array,
  negativeEntropy: number,
  weight: number,
): void {
  if (weight === 0) return;
  sums.count += weight;
  sums.negativeEntropy += weight * negativeEntropy;
  const total = sums.probabilities;
  for (let c = 0; c < p.length; c++) total[c]! += weight * p[c]!;
}

/** Fills `p` with the softmax of `logits` and gives Σ p·log p. */
function softmax(logits: ArrayLike<number>, p: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < p.length; c++) most = Math.max(most, logits[c]!);
  let total = 0;
  for (let c = 0; c < p.length; c++) {
    p[c] = Math.exp(logits[c]! - most);
    total += p[c]!;
  }
  const log = Math.log(total);
  let sum = 0;
  for (let c = 0; c < p.length; c++) {
    p[c]! /= total;
    if (p[c]! > 0) sum += p[c]! * (logits[c]! - most - log);
  }
  return sum;
}

/** exp(mean Σ p·log p − Σ p̄·log p̄). */
function splitScore({ count, negativeEntropy, probabilities }: SplitSums): number {
  let marginal = 0;
  for (const total of probabilities) {
    const p = total / count;
    if (p > 0) marginal += p * Math.log(p);
  }
  return Math.exp(negativeEntropy / count - marginal);
}

/** How often a picture of a large set is in a resample: Poisson with mean 1, by inversion. */
function poisson(random: TorchGenerator): number {
  let rest = random.random32() / 2 ** 32;
  let chance = Math.exp(-1);
  let k = 0;
  while (rest >= chance && k < 20) {
    rest -= chance;
    k++;
    chance /= k;
  }
  return k;
}
