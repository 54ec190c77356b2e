/** @file A recipe for tests. */
import type { Recipe } from '../src/pipelines/provenance/recipe.js';

/** 64 hexadecimal digits. */
export function hashLike(digit: string): string {
  return digit.repeat(64);
}

export const someRecipe: Recipe = {
  recipe: 1,
  program: { name: 'Maliang', version: '0.1.0' },
  prompt: 'a fox',
  negativePrompt: null,
  promptSyntax: 'a1111',
  emphasis: 'original',
  seed: 7,
  variation: undefined,
  steps: 20,
  sampler: { name: null, class: 'EulerDiscreteScheduler' },
  schedule: null,
  guidanceScale: 3.5,
  guidanceRescale: 0,
  eta: 0,
  clipSkip: 0,
  maxSequenceLength: 256,
  noiseSource: 'cpu',
  width: 8,
  height: 4,
  start: undefined,
  mask: undefined,
  strength: undefined,
  encodeMode: undefined,
  fit: undefined,
  maskBlur: undefined,
  onlyMasked: undefined,
  denoisingStart: undefined,
  denoisingEnd: undefined,
  sizes: undefined,
  model: {
    name: 'mine',
    source: 'builtin',
    commit: undefined,
    variant: undefined,
    config: undefined,
    predictionType: undefined,
    sha256: hashLike('a'),
    settings: hashLike('b'),
  },
  vae: undefined,
  loras: undefined,
  embeddings: undefined,
  run: {
    device: 'cpu',
    threads: 2,
    cores: 2,
    platform: 'linux-x64',
    engine: 'onnxruntime 1.30.0',
    weights: 'f16',
  },
  pixels: hashLike('c'),
};
