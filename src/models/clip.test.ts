/** @file The contrastive loss and the starting values of both towers. */
import { expect, it } from 'vitest';
import { interpret } from '../graph/interpret.js';
import { input } from '../graph/tensor.js';
import { initialise } from '../nn/initialise.js';
import { clipInitials, clipLoss } from './clip.js';
import { clipTextPresets, clipVisionPresets, parseClipConfig } from './clip-config.js';
import { componentParameters } from './registry.js';

it('is the mean cross-entropy of rows and columns', () => {
  const rows = [
    [2, -1, 0.5],
    [0, 3, 1],
    [-2, 1, 4],
  ];
  const entropy = (table: number[][]): number =>
    table.reduce((sum, row, i) => {
      const total = row.reduce((all, value) => all + Math.exp(value), 0);
      return sum - Math.log(Math.exp(row[i]!) / total) / table.length;
    }, 0);
  const columns = rows.map((_, j) => rows.map((row) => row[j]!));
  const [loss] = interpret([clipLoss(input('x', [3, 3]))], new Map([['x', rows.flat()]]));
  expect(loss![0]).toBeCloseTo((entropy(rows) + entropy(columns)) / 2, 12);
});

it('starts as transformers does', () => {
  const config = parseClipConfig({
    text_config: clipTextPresets.tiny,
    vision_config: clipVisionPresets.tiny,
    projection_dim: 12,
  });
  const { weights } = componentParameters({ className: 'CLIPModel', config });
  const values = initialise(weights, { seed: 3, rules: clipInitials(config) });
  expect(values.get('logit_scale')).toEqual(Float32Array.of(2.6592));
  const std = (name: string): number => {
    const list = values.get(name)!;
    return Math.sqrt(list.reduce((sum, value) => sum + value * value, 0) / list.length);
  };
  const layer = 'text_model.encoder.layers.1';
  expect(std('text_model.embeddings.token_embedding.weight')).toBeCloseTo(0.02, 2);
  expect(std(`${layer}.self_attn.q_proj.weight`)).toBeCloseTo(1 / Math.sqrt(16 * 4), 1);
  expect(std(`${layer}.mlp.fc1.weight`)).toBeCloseTo(1 / Math.sqrt(32), 1);
  expect(std(`${layer}.mlp.fc1.bias`)).toBe(0);
  expect(std('vision_model.pre_layrnorm.weight')).toBe(1);
  expect(std('visual_projection.weight')).toBeCloseTo(0.25, 1);
});
