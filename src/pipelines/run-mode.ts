/** @file How a pipeline holds its models in memory, and in which precision it multiplies. */
import { complain } from '../core/errors.js';
import { quantiseLinear } from '../graph/rewrites/quantise-linear.js';
import type { Graph } from '../graph/tensor.js';
import type { LoadOptions } from '../runtime/engine.js';

export const precisions = ['f32', 'int8'] as const;
export type Precision = (typeof precisions)[number];

/** What to do about pictures whose decoding would need much memory. */
export const tilings = ['auto', 'never', 'always'] as const;
export type Tiling = (typeof tilings)[number];

export interface RunMode {
  /** Weights stay mapped and one component is loaded at a time. */
  readonly lowMemory: boolean;
  /** Of the linear layers of the denoiser. */
  readonly precision: Precision;
}

export const plainMode: RunMode = { lowMemory: false, precision: 'f32' };

/** Fills in the defaults. Throws USAGE for an unknown precision. */
export function runMode(asked: {
  readonly lowMemory?: boolean | undefined;
  readonly precision?: Precision | undefined;
}): RunMode {
  const { lowMemory = false, precision = 'f32' } = asked;
  if (precisions.includes(precision)) return { lowMemory, precision };
  throw complain('USAGE', {
    where: 'precision',
    expected: `one of ${precisions.join(', ')}`,
    got: `${precision}`,
    next: 'Leave it out to compute in f32.',
  });
}

/** The graph of the denoiser as the mode wants it. */
export function inPrecision(graph: Graph, { precision }: RunMode): Graph {
  return precision === 'int8' ? quantiseLinear(graph) : graph;
}

/** How sessions of a mode are loaded. `isQuantised` keeps what is computed from weights at load. */
export function loadOptions(
  { lowMemory }: RunMode,
  isQuantised: boolean,
): Pick<LoadOptions, 'shareWeights' | 'returnsMemory' | 'withoutOptimizers'> {
  if (!lowMemory) return {};
  // Folding would keep a copy of every transposed, widened or joined weight.
  const withoutOptimizers = isQuantised ? [] : ['ConstantFolding'];
  return { shareWeights: true, returnsMemory: true, withoutOptimizers };
}
