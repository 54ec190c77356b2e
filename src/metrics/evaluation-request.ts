/** @file What an evaluation is asked for, and which metrics that makes. */
import { complain } from '../core/errors.js';
import type { NetworkKind } from './feature-network.js';
import { type MetricName, metricNames } from './metric-names.js';
import { type KidSettings, metricTable } from './metric-table.js';
import type { Prompts } from './picture-prompts.js';
import { type ResizeRule, resizeRules } from './picture-resize.js';
import { requireWhole } from './whole-number.js';

export interface EvaluateOptions {
  /** Folder of real pictures: PNG, JPEG and WebP files in and below it. */
  readonly real: string;
  /** Folder of made pictures. */
  readonly fake: string;
  /**
   * A safetensors file of FID's Inception-v3, or a folder in the Hugging Face layout of a CLIP
   * model. Default: the CLIP that comes with the package.
   */
  readonly features?: string | undefined;
  /** Default: all that the network allows; `clip` only with prompts. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Default: `clean` for Inception, `clip` for CLIP. */
  readonly resize?: ResizeRule | undefined;
  /** Texts of the made pictures: by file name, or in the order of the sorted names. */
  readonly prompts?: Prompts | undefined;
  /** Of subsets, splits and resamples. Default 0. */
  readonly seed?: number | undefined;
  /** Resamples behind each interval; 0 for none. Default 100. */
  readonly bootstrap?: number | undefined;
  /** Subsets and kernel of KID. */
  readonly kid?: KidSettings | undefined;
  /** Pictures of a run of the network. Default 16. */
  readonly batch?: number | undefined;
  /** Threads for one operation; default all cores. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
}

export interface EvaluationProgress {
  /** A folder whose pictures are read, or a metric that is computed. */
  readonly stage: 'real' | 'fake' | MetricName;
  readonly done: number;
  readonly total: number;
}

/** Throws USAGE for a value out of range. */
export function requireOptions({
  batch = 16,
  bootstrap = 100,
  seed = 0,
  resize,
}: EvaluateOptions): void {
  requireWhole('evaluate: batch', batch, [1, 1024]);
  requireWhole('evaluate: bootstrap', bootstrap, [0, 100_000]);
  requireWhole('evaluate: seed', seed, [0, Number.MAX_SAFE_INTEGER]);
  if (resize !== undefined && !resizeRules.includes(resize)) {
    throw usage('resize', `one of ${resizeRules.join(', ')}`, JSON.stringify(resize));
  }
}

function usage(name: string, expected: string, got: string, next = 'Change it.'): Error {
  return complain('USAGE', { where: `evaluate: ${name}`, expected, got, next });
}

/** In the order of the table, each once. Throws USAGE for one that the network cannot give. */
export function metricsOf(kind: NetworkKind, { metrics, prompts }: EvaluateOptions): MetricName[] {
  const allowed = metricNames.filter((name) => metricTable[name].networks.includes(kind));
  if (metrics === undefined) {
    const chosen = allowed.filter((name) => name !== 'clip' || prompts !== undefined);
    requireUseOfPrompts(chosen, prompts);
    return chosen;
  }
  if (metrics.length === 0) throw usage('metrics', metricNames.join(', '), 'none');
  for (const metric of metrics) {
    if (!allowed.includes(metric)) throw wrongNetwork(metric, kind, allowed);
    if (metric === 'clip' && prompts === undefined) {
      throw usage('prompts', 'texts of the made pictures for the CLIP score', 'none', 'Give them.');
    }
  }
  requireUseOfPrompts(metrics, prompts);
  return metricNames.filter((name) => metrics.includes(name));
}

function requireUseOfPrompts(
  metrics: readonly MetricName[],
  prompts: EvaluateOptions['prompts'],
): void {
  if (prompts === undefined || metrics.includes('clip')) return;
  throw usage('prompts', 'the metric clip, which alone reads them', metrics.join(', '));
}

function wrongNetwork(metric: string, kind: NetworkKind, allowed: readonly string[]): Error {
  const next =
    kind === 'clip'
      ? 'Give the Inception-v3 of FID as features, or leave the metric out.'
      : 'Leave out features to use the built-in CLIP, or leave the metric out.';
  return usage('metrics', `${allowed.join(', ')} on ${kind} features`, metric, next);
}
