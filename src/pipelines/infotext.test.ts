import { expect, it } from 'vitest';
import { floatTensor } from '../core/tensor-data.js';
import { infotext } from './infotext.js';
import type { GeneratedImage } from './text-to-image.js';

const picture: GeneratedImage = {
  width: 128,
  height: 64,
  pixels: new Uint8Array(0),
  prompt: 'a red apple,\nflat',
  negativePrompt: undefined,
  seed: 2n ** 60n,
  variationSeed: undefined,
  variationStrength: undefined,
  steps: 20,
  guidanceScale: 3.5,
  sampler: 'EulerDiscreteScheduler',
  strength: undefined,
  clipSkip: 0,
  noiseSource: 'cpu',
  latents: floatTensor(new Float32Array(0), [0]),
  schedule: undefined,
  model: 'models: mine, "new"',
  elapsedMs: 12,
};

it('is what stable-diffusion-webui writes', () => {
  expect(infotext(picture, '1.2.3')).toMatchInlineSnapshot(`
    "a red apple,
    flat
    Steps: 20, Sampler: Euler, CFG scale: 3.5, Seed: 1152921504606846976, Size: 128x64, Model: "models: mine, \\"new\\"", RNG: CPU, Version: Maliang 1.2.3"
  `);
});

it('has a line for the negative prompt only when there is one', () => {
  const lines = infotext({ ...picture, negativePrompt: 'rain' }, '1').split('\n');
  expect(lines[2]).toBe('Negative prompt: rain');
  expect(infotext({ ...picture, negativePrompt: '' }, '1')).not.toContain('Negative');
});

it('tells of variations, given pictures, skipped layers and the source of noise', () => {
  const special = { variationSeed: 5, variationStrength: 0.25, strength: 0.6, clipSkip: 1 };
  const text = infotext({ ...picture, ...special, model: 'm', noiseSource: 'cuda' }, '1');
  expect(text).toContain(
    'Model: m, Variation seed: 5, Variation seed strength: 0.25, Denoising strength: 0.6, Clip skip: 2, RNG: NV,',
  );
});
