/** @file Every metric of two picture sets: which networks it runs on, what it keeps, and below how many pictures it says little. */
import { internal } from '../core/errors.js';
import type { Interval, MeasuredValue, ResampleOptions } from './bootstrap.js';
import { clipScore } from './clip-score.js';
import type { NetworkKind } from './feature-network.js';
import type { FeatureRows } from './feature-rows.js';
import type { FolderFeatures } from './folder-features.js';
import { frechetWithInterval } from './frechet-thread.js';
import { cmmd, type KidOptions, kid } from './maximum-mean-discrepancy.js';
import type { MetricName } from './metric-names.js';
import { precisionRecall } from './precision-recall.js';
import type { PairwiseOptions } from './row-products.js';

export type FigureName =
  | 'fid'
  | 'kid'
  | 'cmmd'
  | 'precision'
  | 'recall'
  | 'density'
  | 'coverage'
  | 'inception-score'
  | 'clip-score';

/** A number a metric gave. */
export interface MetricValue {
  readonly name: FigureName;
  readonly value: number;
  /** 95 % of the bootstrap; undefined when no resamples were asked for. */
  readonly interval: Interval | undefined;
  /** Over subsets or splits, where there are any. */
  readonly deviation?: number;
  /** Subsets of KID, splits of the inception score. */
  readonly parts?: number;
  /** Pictures of each set in a subset. */
  readonly subsetSize?: number;
}

/** What of KID can be chosen. */
export type KidSettings = Pick<
  KidOptions,
  'subsets' | 'subsetSize' | 'degree' | 'gamma' | 'coefficient'
>;

/** What was collected, and how to measure it. */
export interface Measurement extends ResampleOptions, PairwiseOptions {
  readonly real: FolderFeatures;
  readonly fake: FolderFeatures;
  /** Of the texts of the fake pictures. */
  readonly texts: FeatureRows | undefined;
  readonly kid?: KidSettings | undefined;
  /** For what is computed outside the engine. Default 1. */
  readonly threads?: number | undefined;
}

interface MetricRow {
  readonly networks: readonly NetworkKind[];
  /** What is kept of the pictures while they pass by. */
  readonly keeps: { readonly real?: Kept; readonly fake: Kept };
  /** Pictures of each set without which it cannot be computed. */
  readonly fewest: number;
  /** Below so many pictures a figure comes with a warning; by the features of a picture. */
  readonly sensible: (features: number) => number;
  /** What is wrong with fewer, for the warning. */
  readonly otherwise: string;
  readonly measure: (measurement: Measurement) => Promise<MetricValue[]>;
}

export type Kept = 'moments' | 'rows' | 'logits';

export const metricTable: { readonly [K in MetricName]: MetricRow } = {
  fid: {
    networks: ['inception', 'clip'],
    keeps: { real: 'moments', fake: 'moments' },
    fewest: 2,
    sensible: (features) => Math.max(10_000, features),
    otherwise: 'FID of few pictures is too high; KID or CMMD is not',
    measure: async ({ real, fake, ...options }) => [
      { name: 'fid', ...(await frechetWithInterval(real.moments!, fake.moments!, options)) },
    ],
  },
  kid: {
    networks: ['inception', 'clip'],
    keeps: { real: 'rows', fake: 'rows' },
    fewest: 2,
    sensible: () => 1000,
    otherwise: 'its subsets are smaller than the usual 1000',
    measure: async ({ real, fake, kid: own, ...options }) => {
      const result = await kid(rowsOf(real), rowsOf(fake), { ...options, ...own });
      const { value, interval, deviation, subsets: parts, subsetSize } = result;
      return [{ name: 'kid', value, interval, deviation, parts, subsetSize }];
    },
  },
  cmmd: {
    networks: ['clip'],
    keeps: { real: 'rows', fake: 'rows' },
    fewest: 1,
    sensible: () => 1000,
    otherwise: 'CMMD of few pictures is too high',
    measure: async ({ real, fake, ...options }) => [
      { name: 'cmmd', ...(await cmmd(rowsOf(real), rowsOf(fake), options)) },
    ],
  },
  pr: {
    networks: ['inception', 'clip'],
    keeps: { real: 'rows', fake: 'rows' },
    fewest: 4,
    sensible: () => 5000,
    otherwise: 'balls around few pictures are wide',
    measure: async ({ real, fake, ...options }) => {
      const found = await precisionRecall(rowsOf(real), rowsOf(fake), options);
      const names = ['precision', 'recall', 'density', 'coverage'] as const;
      return names.map((name) => ({ name, ...found[name] }));
    },
  },
  is: {
    networks: ['inception'],
    keeps: { fake: 'logits' },
    fewest: 2,
    sensible: () => 5000,
    otherwise: 'splits of few pictures hold few classes, and the score is too low',
    measure: async ({ fake }) => {
      const { splits: parts, ...score } = fake.inceptionScore!.score();
      return [{ name: 'inception-score', ...score, parts }];
    },
  },
  clip: {
    networks: ['clip'],
    keeps: { fake: 'rows' },
    fewest: 1,
    sensible: () => 100,
    otherwise: 'a mean of few pictures moves much',
    measure: async ({ fake, texts, ...options }) => {
      if (!texts) throw internal('clip score', 'no texts');
      const found: MeasuredValue = clipScore(rowsOf(fake), texts, options);
      return [{ name: 'clip-score', ...found }];
    },
  },
};

function rowsOf({ rows }: FolderFeatures): FeatureRows {
  if (rows) return rows;
  throw internal('metrics', 'the rows were not kept');
}
