/** @file LAION's aesthetic predictors: linear layers over a CLIP image embedding of unit length (Schuhmann 2022, improved-aesthetic-predictor). */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { linear } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';

export interface AestheticHeadConfig {
  /** Width of the CLIP embedding. */
  readonly inputSize: number;
  /** Parameter prefix and outputs of each layer, the last with 1; '' is a lone layer without a prefix. */
  readonly layers: readonly { readonly name: string; readonly size: number }[];
  /** Between layers; the published models have none but for the ReLU ones. */
  readonly activation: 'none' | 'relu';
}

/** Places of the linear layers in the published sequences, with dropout and activation between them. */
const places = { none: [0, 2, 4, 6, 7], relu: [0, 3, 6, 9, 11] } as const;

/** Reads `{input_size, hidden_sizes, activation}`; no hidden sizes is the lone layer. Throws CONFIG. */
export function parseAestheticHeadConfig(json: unknown): AestheticHeadConfig {
  const read = new ConfigReader('AestheticHead', json);
  read.ignore('architectures', 'model_type');
  const inputSize = read.integer('input_size', 768);
  const activation = read.choice('activation', ['none', 'relu'], 'none');
  const hidden = read.raw('hidden_sizes');
  const isLone = Array.isArray(hidden) && hidden.length === 0;
  const sizes = isLone ? [] : read.integers('hidden_sizes', [1024, 128, 64, 16]);
  read.done();
  if (isLone) return { inputSize, activation, layers: [{ name: '', size: 1 }] };
  if (sizes.length !== 4) throw read.wrong('4 hidden_sizes, or none', sizes);
  const layers = [...sizes, 1].map((size, i) => ({
    name: `layers.${places[activation][i]}`,
    size,
  }));
  return { inputSize, activation, layers };
}

/** The configuration a bare weight file implies. Throws WEIGHTS when it is none of the known heads. */
export function aestheticHeadConfigOf(
  where: string,
  shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): AestheticHeadConfig {
  const sizeOf = (name: string): readonly number[] => shapes.get(name)?.shape ?? [];
  const lone = sizeOf('weight');
  if (lone.length === 2) return parseAestheticHeadConfig({ input_size: lone[1], hidden_sizes: [] });
  const activation = (['none', 'relu'] as const).find((kind) =>
    places[kind].every((place) => sizeOf(`layers.${place}.weight`).length === 2),
  );
  if (activation === undefined) {
    throw complain('WEIGHTS', {
      where,
      expected: 'layers.0.weight, layers.2.weight … of an aesthetic head, or weight and bias',
      got: [...shapes.keys()].slice(0, 3).join(', ') || 'no tensors',
    });
  }
  const weights = places[activation].map((place) => sizeOf(`layers.${place}.weight`));
  const hidden = weights.slice(0, -1).map(([size]) => size);
  return parseAestheticHeadConfig({ input_size: weights[0]![1], hidden_sizes: hidden, activation });
}

/** Embeddings of unit length [n, inputSize] -> scores [n, 1], about 1 to 10. */
export function aestheticHead(scope: Scope, config: AestheticHeadConfig, embeds: Tensor): Tensor {
  return config.layers.reduce((x, { name, size }, i) => {
    const at = name.split('.').reduce((here, step) => (step ? here.child(step) : here), scope);
    const h = linear(at, x, size);
    return config.activation === 'relu' && i < config.layers.length - 1 ? g.relu(h) : h;
  }, embeds);
}

/** Published heads, as a config.json would hold them. */
export const aestheticHeadPresets = {
  tiny: { input_size: 12, hidden_sizes: [8, 6, 4, 2] },
  /** sac+logos+ava1-l14-linearMSE. */
  sacLogosAva1L14: {},
  /** sa_0_4_vit_l_14_linear. */
  linearL14: { hidden_sizes: [] },
} as const satisfies Record<string, ConfigJson>;
