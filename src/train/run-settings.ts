/** @file Settings every training run has, read strictly from its configuration file. */
import { complain } from '../core/errors.js';
import type { ConfigReader } from '../models/config-reader.js';
import { type OptimizerName, optimizerNames } from './update-shares.js';

export interface OptimizerSettings {
  /** Muon leaves what is no hidden matrix to AdamW. */
  readonly name: OptimizerName;
  /** Peak rate. */
  readonly learningRate: number;
  readonly warmupSteps: number;
  /** Share of the run, at its end, over which the rate falls to zero. */
  readonly decayShare: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** For parameters of two or more dimensions. */
  readonly weightDecay: number;
  /** Largest gradient norm. */
  readonly clipNorm: number;
  /** Decay of the averaged weights once warmed up. */
  readonly averageDecay: number;
}

export interface RunSettings {
  /** Optimiser steps. */
  readonly steps: number;
  /** Samples per step; a multiple of the micro-batch. */
  readonly batchSize: number;
  /** Samples per pass through the graph. */
  readonly microBatch: number;
  readonly optimizer: OptimizerSettings;
  readonly seed: number;
  readonly checkpointMinutes: number;
  /** Steps between sample sheets; 0 for none. */
  readonly sampleEverySteps: number;
  readonly threads: number | undefined;
  /** Component folder whose weights a new run begins with; default: drawn from the seed. */
  readonly startFrom: string | undefined;
}

/** A path in a configuration file, relative to where the command runs. Throws CONFIG. */
export function readPath(read: ConfigReader, field: string): string {
  const value = read.raw(field);
  if (typeof value === 'string' && value.length > 0) return value;
  throw read.wrong(`${field} a path`, value);
}

function readOptimizer(read: ConfigReader): OptimizerName {
  const value = read.raw('optimizer') ?? 'adamw';
  const known = optimizerNames.find((name) => name === value);
  if (known) return known;
  throw read.wrong(`optimizer ${optimizerNames.map((name) => `"${name}"`).join(' or ')}`, value);
}

/** Throws CONFIG, naming the field. */
export function readRunSettings(read: ConfigReader): RunSettings {
  const batchSize = read.integer('batch_size', 64);
  const microBatch = read.integer('micro_batch', batchSize);
  if (batchSize % microBatch !== 0) {
    throw complain('CONFIG', {
      where: 'training: micro_batch',
      expected: `a divisor of batch_size ${batchSize}`,
      got: `${microBatch}`,
    });
  }
  return {
    steps: read.integer('steps', 10_000, { max: 1e9 }),
    batchSize,
    microBatch,
    optimizer: {
      name: readOptimizer(read),
      learningRate: read.number('learning_rate', 1e-3, { min: 0 }),
      warmupSteps: read.integer('warmup_steps', 200, { min: 0 }),
      decayShare: read.number('decay_share', 0.25, { min: 0, max: 1 }),
      betas: [
        read.number('beta1', 0.9, { min: 0, max: 0.9999 }),
        read.number('beta2', 0.99, { min: 0, max: 0.99999 }),
      ],
      eps: read.number('eps', 1e-8, { min: 0 }),
      weightDecay: read.number('weight_decay', 0.02, { min: 0 }),
      clipNorm: read.number('clip_norm', 1, { min: 1e-9 }),
      averageDecay: read.number('average_decay', 0.999, { min: 0, max: 1 }),
    },
    seed: read.integer('seed', 0, { min: 0, max: 2 ** 32 - 1 }),
    checkpointMinutes: read.number('checkpoint_minutes', 5, { min: 0 }),
    sampleEverySteps: read.integer('sample_every_steps', 1000, { min: 0, max: 1e9 }),
    threads: read.optionalInteger('threads', { max: 256 }),
    startFrom: read.raw('start_from') === undefined ? undefined : readPath(read, 'start_from'),
  };
}

/** A seed of its own for each purpose and sample number, so that resumed runs draw the same. */
export function deriveSeed(seed: number, purpose: number, index: number): number {
  let hash = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(purpose + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15) ^ index, 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
