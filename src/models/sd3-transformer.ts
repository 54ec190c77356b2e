/** @file SD3Transformer2DModel: the MMDiT of Stable Diffusion 3 (Esser et al. 2024; diffusers). */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { attention, feedForward } from '../nn/attention.js';
import { type InitialRule, zeros } from '../nn/initialise.js';
import { conv2d, linear, rmsNorm } from '../nn/layers.js';
import { modulate, modulation } from '../nn/modulation.js';
import type { Scope } from '../nn/scope.js';
import { sinusoidalEmbedding, timestepMlp } from '../nn/timestep.js';
import type { Sd3TransformerConfig } from './sd3-transformer-config.js';

const eps = 1e-6;

export interface Sd3TransformerInputs {
  /** Noisy latents [n, inChannels, h, w]; sizes are multiples of the patch size. */
  readonly sample: Tensor;
  /** f32 [n], 0 to 1000. */
  readonly timesteps: Tensor;
  /** Text states [n, tokens, jointAttentionDim]. */
  readonly encoderHiddenStates: Tensor;
  /** Pooled text [n, pooledProjectionDim]. */
  readonly pooledProjections: Tensor;
}

/** The velocity [n, outChannels, h, w]. */
export function sd3Transformer(
  scope: Scope,
  config: Sd3TransformerConfig,
  inputs: Sd3TransformerInputs,
): Tensor {
  const { heads, headSize, layers } = config;
  const inner = heads * headSize;
  const condition = embedConditions(scope.child('time_text_embed'), inner, inputs);
  let x = embedPatches(scope.child('pos_embed'), config, inputs.sample);
  let text = linear(scope.child('context_embedder'), inputs.encoderHiddenStates, inner);
  for (let i = 0; i < layers; i++) {
    const block = scope.child('transformer_blocks').child(i);
    const isLast = i === layers - 1;
    const isDual = config.dualAttentionLayers.has(i);
    ({ x, text } = jointBlock(block, { x, text }, condition, { config, isLast, isDual }));
  }
  const [scale, shift] = modulation(scope.child('norm_out'), condition, inner, 2);
  const normal = modulate(g.layerNorm(x, eps), scale!, shift!);
  return unpatchify(scope.child('proj_out'), config, normal, inputs.sample.shape);
}

/** Timestep and pooled text in one vector [n, inner]. */
function embedConditions(scope: Scope, inner: number, inputs: Sd3TransformerInputs): Tensor {
  const options = { size: 256, flipSinToCos: true, downscaleFreqShift: 0 };
  const waves = sinusoidalEmbedding(inputs.timesteps, options);
  const time = timestepMlp(scope.child('timestep_embedder'), waves, { size: inner });
  const pooled = inputs.pooledProjections;
  return g.add(time, timestepMlp(scope.child('text_embedder'), pooled, { size: inner }));
}

/** [n, c, h, w] -> [n, patches, inner] with the middle of the position table added. */
function embedPatches(scope: Scope, config: Sd3TransformerConfig, sample: Tensor): Tensor {
  const { patchSize, posEmbedMaxSize: max, heads, headSize } = config;
  const [n, , height, width] = sample.shape as [number, number, number, number];
  const [rows, columns] = [height / patchSize, width / patchSize];
  const isWhole = Number.isInteger(rows) && Number.isInteger(columns);
  if (!isWhole || rows > max || columns > max) {
    throw complain('SHAPE', {
      where: 'sd3Transformer: sample',
      expected: `height and width multiples of ${patchSize}, at most ${max * patchSize}`,
      got: `${height} × ${width}`,
    });
  }
  const inner = heads * headSize;
  const convolution = { kernel: patchSize, stride: patchSize, padding: 0 };
  const patches = conv2d(scope.child('proj'), sample, inner, convolution); // [n, inner, rows, columns]
  const tokens = g.transpose(g.reshape(patches, [n, inner, rows * columns]), [0, 2, 1]);
  const table = g.reshape(scope.buffer('pos_embed', [1, max * max, inner]), [max, max, inner]);
  const starts = [Math.floor((max - rows) / 2), Math.floor((max - columns) / 2), 0];
  const middle = g.slice(table, starts, [rows, columns, inner]);
  return g.add(tokens, g.reshape(middle, [1, rows * columns, inner]));
}

/** Picture and text tokens, [n, t, inner] each. */
interface Streams {
  readonly x: Tensor;
  readonly text: Tensor;
}

interface BlockOptions {
  readonly config: Sd3TransformerConfig;
  /** The last block leaves the text as it is. */
  readonly isLast: boolean;
  readonly isDual: boolean;
}

function jointBlock(
  scope: Scope,
  { x, text }: Streams,
  condition: Tensor,
  options: BlockOptions,
): Streams {
  const { config, isLast, isDual } = options;
  const inner = x.shape[2]!;
  const picture = modulation(scope.child('norm1'), condition, inner, isDual ? 9 : 6);
  const [shift, scale, gate, mlpShift, mlpScale, mlpGate] = picture as Tensor[];
  const words = modulation(scope.child('norm1_context'), condition, inner, isLast ? 2 : 6);
  const [textShift, textScale] = isLast ? [words[1]!, words[0]!] : [words[0]!, words[1]!];

  const normal = g.layerNorm(x, eps);
  const joint = jointAttention(
    scope.child('attn'),
    modulate(normal, scale!, shift!),
    modulate(g.layerNorm(text, eps), textScale, textShift),
    options,
  );
  let h = g.add(x, g.mul(gate!, joint.x));
  if (isDual) {
    const own = modulate(normal, picture[7]!, picture[6]!);
    const { heads, headSize, qkNorm } = config;
    const normalise = qkNorm ? normaliseHeads(heads, headSize) : undefined;
    const shape = { heads, headSize, bias: true, normalise };
    h = g.add(h, g.mul(picture[8]!, attention(scope.child('attn2'), own, own, shape)));
  }
  const mlp = feed(scope.child('ff'), h, mlpScale!, mlpShift!);
  h = g.add(h, g.mul(mlpGate!, mlp));
  if (isLast) return { x: h, text };
  const t = g.add(text, g.mul(words[2]!, joint.text));
  const textMlp = feed(scope.child('ff_context'), t, words[4]!, words[3]!);
  return { x: h, text: g.add(t, g.mul(words[5]!, textMlp)) };
}

function feed(scope: Scope, x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  return feedForward(scope, modulate(g.layerNorm(x, eps), scale, shift), 'gelu-approximate');
}

/** Both streams in one attention, each with projections of its own. */
function jointAttention(scope: Scope, x: Tensor, text: Tensor, options: BlockOptions): Streams {
  const { heads, headSize, qkNorm } = options.config;
  const inner = heads * headSize;
  const normalise = qkNorm ? normaliseHeads(heads, headSize) : undefined;
  const project = (source: Tensor, name: string, norm?: string): Tensor => {
    const projected = linear(scope.child(name), source, inner);
    return norm && normalise ? normalise(scope.child(norm), projected) : projected;
  };
  const query = g.concat(
    [project(x, 'to_q', 'norm_q'), project(text, 'add_q_proj', 'norm_added_q')],
    1,
  );
  const key = g.concat(
    [project(x, 'to_k', 'norm_k'), project(text, 'add_k_proj', 'norm_added_k')],
    1,
  );
  const value = g.concat([project(x, 'to_v'), project(text, 'add_v_proj')], 1);
  const mixed = g.attention(query, key, value, { heads }); // [n, patches + words, inner]
  const patches = x.shape[1]!;
  const own = linear(scope.child('to_out').child(0), g.sliceAxis(mixed, 1, 0, patches), inner);
  const rest = g.sliceAxis(mixed, 1, patches, text.shape[1]!);
  const out = options.isLast ? rest : linear(scope.child('to_add_out'), rest, inner);
  return { x: own, text: out };
}

/** RMS norm of every head: [n, t, heads·headSize] -> the same shape. */
function normaliseHeads(heads: number, headSize: number): (scope: Scope, x: Tensor) => Tensor {
  return (scope, x) => {
    const [n, tokens, inner] = x.shape as [number, number, number];
    const split = g.reshape(x, [n, tokens, heads, headSize]);
    return g.reshape(rmsNorm(scope, split, eps), [n, tokens, inner]);
  };
}

/** [n, patches, inner] -> [n, outChannels, h, w]. */
function unpatchify(
  scope: Scope,
  config: Sd3TransformerConfig,
  x: Tensor,
  sampleShape: readonly number[],
): Tensor {
  const { patchSize: p, outChannels } = config;
  const [n, , height, width] = sampleShape as [number, number, number, number];
  const patches = linear(scope, x, p * p * outChannels);
  const grid = g.reshape(patches, [n, height / p, width / p, p, p, outChannels]);
  const pixels = g.transpose(grid, [0, 5, 1, 3, 2, 4]); // [n, c, h/p, p, w/p, p]
  return g.reshape(pixels, [n, outChannels, height, width]);
}

/** The class's own position table [1, max², inner]: sines and cosines of column, then of row. */
export function sd3PositionTable(config: Sd3TransformerConfig): Float32Array {
  const { posEmbedMaxSize: max, heads, headSize, sampleSize, patchSize } = config;
  const inner = heads * headSize;
  const quarter = inner / 4;
  const unit = Math.fround(max / Math.floor(sampleSize / patchSize));
  const table = new Float32Array(max * max * inner);
  for (let cell = 0; cell < max * max; cell++) {
    const places = [cell % max, Math.floor(cell / max)];
    places.forEach((place, half) => {
      const position = Math.fround(place / unit);
      for (let i = 0; i < quarter; i++) {
        const angle = position / 10_000 ** (i / quarter);
        const at = cell * inner + half * 2 * quarter + i;
        table[at] = Math.sin(angle);
        table[at + quarter] = Math.cos(angle);
      }
    });
  }
  return table;
}

/** Starting values for training: gates, modulations and the output begin at zero (adaLN-Zero). */
export function sd3TransformerInitials(config: Sd3TransformerConfig): readonly InitialRule[] {
  return [
    {
      pattern: /^pos_embed\.pos_embed$/,
      fill: { kind: 'values', values: () => sd3PositionTable(config) },
    },
    { pattern: /(?:^norm_out|\.norm1|\.norm1_context)\.linear\./, fill: zeros },
    { pattern: /^proj_out\./, fill: zeros },
  ];
}
