/** @file FID with its interval, computed in a thread of its own that an abort ends at once. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { cancelled, complain, throwIfAborted } from '../core/errors.js';
import {
  intervalAround,
  type MeasuredValue,
  otherSeed,
  type ResampleOptions,
  resampleCounts,
} from './bootstrap.js';
import { type MomentSums, momentsOf } from './feature-moments.js';
import type { FrechetJob } from './frechet-worker.js';

export interface FrechetOptions extends ResampleOptions {
  /** Threads that share the resamples. Default 1. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each distance with the share that is done, 0 to 1. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/** Above this rank of the covariances a resample takes seconds, so few are drawn. */
const cheapRank = 512;
const fewResamples = 20;

/**
 * The Fréchet distance of two sets of sums; resamples draw whole groups of pictures, as they were
 * collected. Throws DATA, CANCELLED.
 */
export async function frechetWithInterval(
  real: readonly MomentSums[],
  fake: readonly MomentSums[],
  { bootstrap = 100, seed = 0, threads = 1, signal, onProgress }: FrechetOptions = {},
): Promise<MeasuredValue> {
  const [n, m] = [momentsOf(real).count, momentsOf(fake).count]; // says what is too few
  const rank = Math.min(real[0]!.size, Math.max(n, m));
  const resamples = rank <= cheapRank ? bootstrap : Math.min(bootstrap, fewResamples);
  const ofFake = resampleCounts(fake.length, resamples, otherSeed(seed));
  const drawn = resampleCounts(real.length, resamples, seed)
    .map((counts, i) => ({ real: counts, fake: ofFake[i]! }))
    .filter((entry) => drawnRows(real, entry.real) > 1 && drawnRows(fake, entry.fake) > 1);
  const whole = { real: real.map(() => 1), fake: fake.map(() => 1) };
  const job: FrechetJob = { real, fake, weights: [whole, ...drawn] };
  const [value, ...resampled] = await shared(job, { threads, signal, onProgress });
  const range = [0, Number.POSITIVE_INFINITY] as const;
  return { value: value!, interval: intervalAround(value!, resampled, range) };
}

function drawnRows(sets: readonly MomentSums[], counts: Float64Array): number {
  return sets.reduce((sum, { count }, i) => sum + count * counts[i]!, 0);
}

/** The compiled thread, also when this file runs from its source. */
const here = import.meta.url;
const workerFile = here.endsWith('.ts')
  ? fileURLToPath(new URL('../../dist/metrics/frechet-worker.js', here))
  : fileURLToPath(new URL('./frechet-worker.js', here));

type ThreadOptions = Pick<FrechetOptions, 'threads' | 'signal' | 'onProgress'>;

/** The distances of a job in its order; thread t computes every `threads`-th. */
async function shared(
  { weights, ...sets }: FrechetJob,
  { threads = 1, signal, onProgress }: ThreadOptions,
): Promise<number[]> {
  throwIfAborted('fid', signal);
  let done = 0;
  const onDistance = (): void => onProgress?.(++done / weights.length);
  // A thread takes a while to start.
  const count = Math.min(threads, Math.ceil(weights.length / 8));
  const parts = await Promise.all(
    Array.from({ length: count }, (_, t) => {
      const part = weights.filter((_entry, i) => i % count === t);
      return distancesOf({ ...sets, weights: part }, signal, onDistance);
    }),
  );
  return weights.map((_, i) => parts[i % count]![Math.floor(i / count)]!);
}

function distancesOf(
  job: FrechetJob,
  signal: AbortSignal | undefined,
  onDistance: () => void,
): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const distances: number[] = [];
    const thread = new Worker(workerFile, { workerData: job });
    const abort = (): void => {
      reject(cancelled('fid', signal));
      void thread.terminate();
    };
    signal?.addEventListener('abort', abort, { once: true });
    thread.on('message', (distance: number) => {
      distances.push(distance);
      onDistance();
    });
    thread.on('error', (cause) => reject(died(cause)));
    thread.on('exit', () => {
      signal?.removeEventListener('abort', abort);
      if (distances.length === job.weights.length) resolve(distances);
      else reject(died(undefined));
    });
  });
}

function died(cause: unknown): Error {
  const got = cause instanceof Error ? cause.message : 'its end';
  const expected = 'its thread to go on';
  return complain('RUNTIME_EXITED', { where: 'fid', expected, got }, cause);
}
