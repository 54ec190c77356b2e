/** @file UNet2DConditionModel as a denoiser: text states, SDXL's pooled text and time ids, LCM's guidance embedding. */
import { type FloatTensor, floatTensor } from '../core/tensor-data.js';
import * as g from '../graph/build.js';
import { type Graph, input, type Tensor } from '../graph/tensor.js';
import { Scope } from '../models/registry.js';
import { skipConnections, unet2dCondition } from '../models/unet-2d-condition.js';
import type { DenoiserKind, DenoiserRow, Depth, Feeds } from './denoiser.js';
import { guidanceEmbedding } from './guidance.js';
import type { ModelPart } from './model-part.js';
import { repeatedRow, stacked } from './rows.js';

type Unet = ModelPart<'UNet2DConditionModel'>;

export const unetKind: DenoiserKind<Unet> = {
  branches: ({ config }) => skipConnections(config),
  isToldGuidance: ({ config }) => config.timeCondProjDim !== undefined,
  conditions: ({ config }, rows, guidance) => {
    const n = rows.length;
    const feeds = new Map([['states', stacked(rows.map(({ states }) => states))]]);
    if (config.additionEmbed.kind === 'text_time') {
      feeds.set('textEmbeds', stacked(rows.map(({ pooled }) => pooled!)));
      feeds.set('timeIds', stacked(rows.map(timeIdRow)));
    }
    const drafts = rows.flatMap(({ draft }) => draft ?? []);
    if (drafts.length > 0) feeds.set('draft', stacked(drafts));
    const width = config.timeCondProjDim;
    if (width !== undefined) {
      const embedding = guidanceEmbedding(guidance.scale, width);
      feeds.set('timestepCond', floatTensor(repeatedRow(embedding, n), [n, width]));
    }
    return feeds;
  },
  graph: unetGraph,
};

/** Sample [n, c, h, w] and draft [n, d, h', w'], brought to its size -> [n, c + d, h, w]. */
function withDraft(sample: Tensor, draft: Tensor | undefined): Tensor {
  if (!draft) return sample;
  const size = sample.shape.slice(2) as [number, number];
  const isFitting = size.every((side, i) => side === draft.shape[2 + i]);
  return g.concat([sample, isFitting ? draft : g.resize(draft, { mode: 'bilinear', size })], 1);
}

function timeIdRow({ timeIds }: DenoiserRow): FloatTensor {
  return floatTensor(Float32Array.from(timeIds), [1, timeIds.length]);
}

function unetGraph(
  { config }: Unet,
  shape: readonly number[],
  conditions: Feeds,
  depth?: Depth,
): Graph {
  const condition = (name: string) => {
    const value = conditions.get(name);
    return value && input(name, value.shape);
  };
  const textEmbeds = condition('textEmbeds');
  const timeIds = condition('timeIds');
  let deep: Tensor | undefined;
  const pass = (features: Tensor): Tensor => {
    deep = features;
    return depth!.isShallow ? input('deep', features.shape) : features;
  };
  const output = unet2dCondition(new Scope(), config, {
    sample: withDraft(input('sample', shape), condition('draft')),
    timesteps: input('timesteps', shape.slice(0, 1)),
    encoderHiddenStates: condition('states')!,
    timestepCond: condition('timestepCond'),
    addedConditions: textEmbeds && timeIds && { textEmbeds, timeIds },
    below: depth && { branch: depth.branch, pass },
  });
  const graph = new Map([['output', output]]);
  return deep && !depth!.isShallow ? graph.set('deep', deep) : graph;
}
