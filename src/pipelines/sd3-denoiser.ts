/** @file SD3Transformer2DModel as a denoiser: text states and pooled text. */
import { input } from '../graph/tensor.js';
import { Scope } from '../models/registry.js';
import { sd3Transformer } from '../models/sd3-transformer.js';
import type { DenoiserKind } from './denoiser.js';
import type { ModelPart } from './model-part.js';
import { stacked } from './rows.js';

export const sd3Kind: DenoiserKind<ModelPart<'SD3Transformer2DModel'>> = {
  branches: () => 0,
  isToldGuidance: () => false,
  conditions: (_, rows) =>
    new Map([
      ['states', stacked(rows.map(({ states }) => states))],
      ['pooled', stacked(rows.map(({ pooled }) => pooled!))],
    ]),
  graph: ({ config }, shape, conditions) => {
    const condition = (name: string) => input(name, conditions.get(name)!.shape);
    const output = sd3Transformer(new Scope(), config, {
      sample: input('sample', shape),
      timesteps: input('timesteps', shape.slice(0, 1)),
      encoderHiddenStates: condition('states'),
      pooledProjections: condition('pooled'),
    });
    return new Map([['output', output]]);
  },
};
