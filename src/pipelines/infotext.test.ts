import { expect, it } from 'vitest';
import { infotext } from './infotext.js';

const picture = {
  width: 128,
  height: 64,
  pixels: new Uint8Array(0),
  prompt: 'a red apple,\nflat',
  negativePrompt: undefined,
  seed: 2n ** 60n,
  steps: 20,
  guidanceScale: 3.5,
  sampler: 'EulerDiscreteScheduler',
  model: 'models: mine, "new"',
  elapsedMs: 12,
};

it('is what stable-diffusion-webui writes', () => {
  expect(infotext(picture, '1.2.3')).toMatchInlineSnapshot(`
    "a red apple,
    flat
    Steps: 20, Sampler: Euler, CFG scale: 3.5, Seed: 1152921504606846976, Size: 128x64, Model: "models: mine, \\"new\\"", Version: Maliang 1.2.3"
  `);
});

it('has a line for the negative prompt only when there is one', () => {
  const lines = infotext({ ...picture, negativePrompt: 'rain' }, '1').split('\n');
  expect(lines[2]).toBe('Negative prompt: rain');
  expect(infotext({ ...picture, negativePrompt: '' }, '1')).not.toContain('Negative');
});
