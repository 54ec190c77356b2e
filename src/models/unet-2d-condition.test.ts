/** @file Inputs of the denoiser that its configuration asks for, and dropout masks. */
import { expect, it } from 'vitest';
import { input, inputsOf, type Tensor } from '../graph/tensor.js';
import { Scope } from '../nn/scope.js';
import { type Unet2dConditionInputs, unet2dCondition } from './unet-2d-condition.js';
import { parseUnet2dConditionConfig, unet2dConditionPresets } from './unet-2d-condition-config.js';

const { tiny } = unet2dConditionPresets;

function build(changes: object, inputs: Partial<Unet2dConditionInputs>): Tensor {
  return unet2dCondition(new Scope(), parseUnet2dConditionConfig({ ...tiny, ...changes }), {
    sample: input('sample', [1, 4, 8, 8]),
    timesteps: input('timesteps', [1]),
    encoderHiddenStates: input('text', [1, 5, 12]),
    ...inputs,
  });
}

it('wants the inputs its configuration asks for, and no others', () => {
  const labels = input('labels', [1], 'i64');
  expect(() => build({ num_class_embeds: 3 }, {})).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: unet2dCondition: classLabels: expected a value, as the config asks for one, got none. Compare the shapes in the message with the operation’s contract.]`,
  );
  expect(() => build({}, { classLabels: labels })).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: unet2dCondition: classLabels: expected none, as the config has no use for it, got one. Compare the shapes in the message with the operation’s contract.]`,
  );
  expect(() => build({ time_cond_proj_dim: 4 }, {})).toThrow(/timestepCond/);
});

it('checks the width of the added conditions', () => {
  const changes = {
    addition_embed_type: 'text_time',
    addition_time_embed_dim: 8,
    projection_class_embeddings_input_dim: 20,
  };
  const textEmbeds = input('textEmbeds', [1, 10]);
  const timeIds = input('timeIds', [1, 6]);
  expect(() =>
    build(changes, { addedConditions: { textEmbeds, timeIds } }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: unet2dCondition: addedConditions: expected 20 values in textEmbeds and the embedded timeIds, got 58. Compare the shapes in the message with the operation’s contract.]`,
  );
});

it('asks for one dropout mask per residual block when training', () => {
  const out = build(
    { dropout: 0.1 },
    { dropoutMask: (name, shape) => input(`mask ${name}`, shape) },
  );
  const masks = [...inputsOf([out]).keys()].filter((name) => name.startsWith('mask '));
  expect(masks).toHaveLength(8);
  expect(masks).toContain('mask up_blocks.1.resnets.0');
  expect([...inputsOf([build({ dropout: 0.1 }, {})]).keys()]).toHaveLength(3);
});
