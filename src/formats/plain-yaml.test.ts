/** @file The YAML of model configurations, and what is refused with its line. */
import { expect, it } from 'vitest';
import { parsePlainYaml } from './plain-yaml.js';

it('reads nested maps, lists and plain values', () => {
  const text = `
model: # the model
  base_learning_rate: 1.0e-04
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.00085
    parameterization: "v"
    cond_stage_key: 'txt # not a comment'
    use_ema: False
    monitor: null
    empty:
    unet_config:
      params:
        attention_resolutions: [ 4, 2, 1 ]
        channel_mult: [1, [2, "a, b"], {x: 1, y: [true]}]
        list:
        - 4
        - 2
        nested:
          - name: a
            size: 3
          - plain text: yes
url: http://a.b:80/c
`;
  expect(parsePlainYaml(text, 'x')).toEqual({
    model: {
      base_learning_rate: 1e-4,
      target: 'ldm.models.diffusion.ddpm.LatentDiffusion',
      params: {
        linear_start: 0.00085,
        parameterization: 'v',
        cond_stage_key: 'txt # not a comment',
        use_ema: false,
        monitor: null,
        empty: null,
        unet_config: {
          params: {
            attention_resolutions: [4, 2, 1],
            channel_mult: [1, [2, 'a, b'], { x: 1, y: [true] }],
            list: [4, 2],
            nested: [{ name: 'a', size: 3 }, { 'plain text': 'yes' }],
          },
        },
      },
    },
    url: 'http://a.b:80/c',
  });
});

it.each([
  ['a: 1\n  b: 2'],
  ['a: &x 1'],
  ['a: !!python/object:os.system x'],
  ['a: [1, 2'],
  ['a: 1\na: 2'],
  ['- 1\n- 2'],
  ['just text'],
  ['a:\n\t- 1'],
  [`a: ${'['.repeat(50)}${']'.repeat(50)}`],
])('refuses %j', (text) => {
  expect(() => parsePlainYaml(text, 'model.yaml')).toThrowErrorMatchingSnapshot();
});
