/** @file Where texts end, and the names old and new CLIP files use. */
import { expect, it } from 'vitest';
import { input } from '../graph/tensor.js';
import { Scope } from '../nn/scope.js';
import {
  clipTextPresets,
  clipVisionPresets,
  parseClipTextConfig,
  parseClipVisionConfig,
} from './clip-config.js';
import { clipText, clipWeightName, eosPositions } from './clip-text.js';
import { clipVision } from './clip-vision.js';

it('finds the first end-of-text token', () => {
  const ids = [
    [62, 5, 63, 63],
    [62, 63, 5, 63],
    [1, 2, 3, 4],
  ];
  expect(eosPositions(ids, { eosTokenId: 63 })).toEqual([2, 1, 0]);
});

it('takes the first largest id where the file has the historical end-of-text 2', () => {
  expect(eosPositions([[62, 2, 63, 63]], { eosTokenId: 2 })).toEqual([2]);
});

it('maps the names of old and new files', () => {
  expect(clipWeightName('text_model.embeddings.position_ids', 'text_model')).toBeUndefined();
  expect(clipWeightName('encoder.layers.0.mlp.fc1.bias', 'text_model')).toBe(
    'text_model.encoder.layers.0.mlp.fc1.bias',
  );
  expect(clipWeightName('text_projection.weight', 'text_model')).toBe('text_projection.weight');
  expect(clipWeightName('logit_scale')).toBe('logit_scale');
});

it('refuses texts that are too long and pictures of another size', () => {
  const text = parseClipTextConfig(clipTextPresets.tiny);
  const ids = input('ids', [1, 17], 'i64');
  const eosPosition = input('eosPosition', [1], 'i64');
  expect(() =>
    clipText(new Scope(), text, { ids, eosPosition }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: embedWords: ids: expected i64[n,t] with t from 1 to 16, got i64[1,17]. Compare the shapes in the message with the operation’s contract.]`,
  );
  const vision = parseClipVisionConfig(clipVisionPresets.tiny);
  const pixels = input('pixels', [1, 3, 16, 8]);
  expect(() => clipVision(new Scope(), vision, pixels)).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: embedPatches: pixels: expected f32[n,3,16,16], got f32[1,3,16,8]. Compare the shapes in the message with the operation’s contract.]`,
  );
});
