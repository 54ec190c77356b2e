/** @file The thread that computes Fréchet distances, so that nobody waits for minutes of matrix work. */
import { parentPort, workerData } from 'node:worker_threads';
import { type MomentSums, momentsOf } from './feature-moments.js';
import { frechetDistance } from './frechet-distance.js';

export interface FrechetJob {
  readonly real: readonly MomentSums[];
  readonly fake: readonly MomentSums[];
  /** How often each set of sums counts; one distance for each entry. */
  readonly weights: readonly {
    readonly real: ArrayLike<number>;
    readonly fake: ArrayLike<number>;
  }[];
}

const { real, fake, weights } = workerData as FrechetJob;
for (const entry of weights) {
  const distance = frechetDistance(momentsOf(real, entry.real), momentsOf(fake, entry.fake));
  parentPort!.postMessage(distance);
}
