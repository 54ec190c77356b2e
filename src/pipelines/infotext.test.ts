import { expect, it } from 'vitest';
import { hashLike, someRecipe } from '../../test/some-recipe.js';
import { infotext } from './infotext.js';

it('is what stable-diffusion-webui writes', () => {
  const recipe = { ...someRecipe, prompt: 'a red apple,\nflat', seed: 2n ** 60n };
  const model = { ...recipe.model, name: 'models: mine, "new"' };
  expect(infotext({ recipe: { ...recipe, model } }, '1.2.3')).toMatchInlineSnapshot(`
    "a red apple,
    flat
    Steps: 20, Sampler: Euler, CFG scale: 3.5, Seed: 1152921504606846976, Size: 8x4, Model hash: aaaaaaaaaa, Model: "models: mine, \\"new\\"", RNG: CPU, Version: Maliang 1.2.3"
  `);
});

it('has a line for the negative prompt only when there is one', () => {
  const negative = (negativePrompt: string | null) =>
    infotext({ recipe: { ...someRecipe, negativePrompt } }).split('\n');
  expect(negative('rain')[1]).toBe('Negative prompt: rain');
  for (const none of ['', null]) expect(negative(none).join()).not.toContain('Negative');
});

it('tells of variations, given pictures, skipped layers and the source of noise', () => {
  const special = {
    variation: { seed: 5, strength: 0.25 },
    strength: 0.6,
    clipSkip: 1,
    noiseSource: 'cuda',
    emphasis: 'no-norm',
    schedule: 'karras',
    sampler: { name: 'euler_a', class: 'EulerAncestralDiscreteScheduler' },
  } as const;
  const text = infotext({ recipe: { ...someRecipe, ...special } });
  expect(text).toContain('Sampler: Euler a, Schedule type: Karras,');
  expect(text).toContain(
    'Variation seed: 5, Variation seed strength: 0.25, Denoising strength: 0.6, Clip skip: 2, RNG: NV, Emphasis: No norm,',
  );
});

it('names LoRAs and words as the webui does, by tags and hashes', () => {
  const text = infotext({
    recipe: {
      ...someRecipe,
      loras: [
        {
          path: '~/l/style.safetensors',
          weight: 0.8,
          textWeight: undefined,
          sha256: hashLike('1'),
          tensors: hashLike('2'),
        },
      ],
      embeddings: [{ path: '/e/toy.safetensors', token: undefined, sha256: hashLike('3') }],
    },
  });
  expect(text).toMatch(/^a fox <lora:style:0.8>\n/);
  expect(text).toContain('Lora hashes: "style: 222222222222", TI hashes: "toy: 333333333333"');
});

it('can be written whatever the prompt holds', () => {
  const text = infotext({ recipe: { ...someRecipe, prompt: 'a\0b\ud800' } });
  expect(text.split('\n')[0]).toBe('a\ufffdb\ufffd');
});
