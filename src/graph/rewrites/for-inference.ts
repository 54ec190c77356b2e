/** @file What is rewritten in a graph that runs with fixed weights: the same results, up to rounding, in less time. */
import type { Graph } from '../tensor.js';
import { commonSubexpressions } from './common-subexpressions.js';
import type { IsStored } from './fixed.js';
import { sliceWeights } from './slice-weights.js';
import { winograd } from './winograd.js';
import { type ConvChoice, everywhere, whereFaster } from './winograd-choice.js';

/** `all` rewrites also where it is slower, so that small models can test it. */
export const rewriteModes = ['none', 'faster', 'all'] as const;
export type RewriteMode = (typeof rewriteModes)[number];

const choices: Readonly<Record<Exclude<RewriteMode, 'none'>, ConvChoice>> = {
  faster: whereFaster,
  all: everywhere,
};

export function rewriteForInference(graph: Graph, mode: RewriteMode, isStored: IsStored): Graph {
  if (mode === 'none') return graph;
  const chooses = choices[mode];
  return commonSubexpressions(winograd(sliceWeights(graph), { isStored, chooses }));
}
