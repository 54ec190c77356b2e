/** @file Which parameters Muon takes of each model that is trained, and that shares cover all once. */
import { expect, it } from 'vitest';
import { ParameterLayout } from './flat-parameters.js';
import { orthogonalizingCost } from './newton-schulz.js';
import { evenShare, muonMatrices, shareUpdate } from './update-shares.js';

/** Names that Muon takes of parameters in the order of the computation. */
function taken(shapes: Readonly<Record<string, readonly number[]>>): string[] {
  const list = Object.entries(shapes).map(([name, shape]) => ({ name, shape }));
  const layout = new ParameterLayout(list);
  const offsets = new Set(muonMatrices(layout).map(({ offset }) => offset));
  return [...layout.entries].filter(([, { offset }]) => offsets.has(offset)).map(([name]) => name);
}

it('takes hidden weights and leaves the rest to AdamW', () => {
  expect(
    taken({
      'conv_in.weight': [8, 4, 3, 3],
      'conv_in.bias': [8],
      'time_embedding.linear_1.weight': [16, 8],
      'add_embedding.linear_2.weight': [16, 16],
      'down_blocks.0.resnets.0.time_emb_proj.weight': [16, 16],
      'down_blocks.0.resnets.0.norm1.weight': [8],
      'down_blocks.0.resnets.0.conv1.weight': [8, 8, 3, 3],
      'down_blocks.0.attentions.0.proj_out.weight': [8, 8],
      'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight': [8, 12],
      'conv_out.weight': [4, 8, 3, 3],
    }),
  ).toEqual([
    'down_blocks.0.resnets.0.conv1.weight',
    'down_blocks.0.attentions.0.proj_out.weight',
    'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight',
  ]);
  expect(
    taken({
      'encoder.layers.0.weight': [8, 3, 3, 3],
      'encoder.layers.1.weight': [8, 8, 3, 3],
      'decoder.layers.1.weight': [8, 4, 3, 3],
      'decoder.layers.9.weight': [3, 8, 3, 3],
    }),
  ).toEqual(['encoder.layers.1.weight', 'decoder.layers.1.weight']);
  expect(
    taken({
      'text_model.embeddings.token_embedding.weight': [60, 8],
      'text_model.embeddings.position_embedding.weight': [16, 8],
      'text_model.encoder.layers.0.self_attn.q_proj.weight': [8, 8],
      'text_projection.weight': [8, 8],
      'vision_model.embeddings.patch_embedding.weight': [8, 3, 4, 4],
      'vision_model.encoder.layers.0.mlp.fc1.weight': [16, 8],
      'visual_projection.weight': [8, 8],
      logit_scale: [],
    }),
  ).toEqual([
    'text_model.encoder.layers.0.self_attn.q_proj.weight',
    'vision_model.encoder.layers.0.mlp.fc1.weight',
  ]);
  expect(
    taken({
      'pos_embed.proj.weight': [8, 4, 2, 2],
      'time_text_embed.text_embedder.linear_1.weight': [8, 8],
      'context_embedder.weight': [8, 12],
      'transformer_blocks.0.norm1.linear.weight': [48, 8],
      'transformer_blocks.0.norm1_context.linear.weight': [48, 8],
      'transformer_blocks.0.attn.to_q.weight': [8, 8],
      'norm_out.linear.weight': [16, 8],
      'proj_out.weight': [16, 8],
      'thin.weight': [1, 8],
    }),
  ).toEqual(['context_embedder.weight', 'transformer_blocks.0.attn.to_q.weight']);
});

it.each([1, 2, 3, 40])('shares the update among %i workers so that each value moves once', (n) => {
  const layout = new ParameterLayout(
    Array.from({ length: 17 }, (_, i) => [
      { name: `w${i}`, shape: [3 + (i % 5), 4 + i] },
      { name: `norm${i}`, shape: [1 + i] },
    ]).flat(),
  );
  for (const optimizer of ['adamw', 'muon'] as const) {
    const times = new Uint8Array(layout.length);
    const shares = shareUpdate(layout, optimizer, n);
    expect(shares).toHaveLength(n);
    for (const { ranges, matrices } of shares) {
      expect(matrices.length === 0 || optimizer === 'muon').toBe(true);
      for (const { from, to } of ranges) for (let i = from; i < to; i++) times[i]! += 1;
      for (const { offset, rows, columns } of matrices) {
        for (let i = offset; i < offset + rows * columns; i++) times[i]! += 1;
      }
    }
    expect(times.every((count) => count === 1)).toBe(true);
    if (optimizer === 'adamw') {
      expect(shares.map(({ ranges }) => ranges)).toEqual(
        shares.map((_, i) => [evenShare(layout.length, i, n)]),
      );
    }
  }
});

it('gives workers alike loads', () => {
  const layout = new ParameterLayout(
    Array.from({ length: 30 }, (_, i) => ({ name: `w${i}`, shape: [8 + i, 40 + 3 * i] })),
  );
  const loads = shareUpdate(layout, 'muon', 2).map(({ matrices }) =>
    matrices.reduce((sum, { rows, columns }) => sum + orthogonalizingCost(rows, columns), 0),
  ) as [number, number];
  expect(Math.max(...loads) / Math.min(...loads)).toBeLessThan(1.05);
});
