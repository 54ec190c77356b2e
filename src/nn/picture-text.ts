/** @file What models of pictures and texts share: patches of a picture, words with places. */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Tensor } from '../graph/tensor.js';
import { conv2d, embedding } from './layers.js';
import type { Scope } from './scope.js';

export interface PatchOptions {
  readonly channels: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly hiddenSize: number;
}

/** A convolution of one step per patch, `scope` being its own: pixels [n, ch, s, s] -> rows of patches [n, patches, c]. */
export function embedPatches(
  scope: Scope,
  options: PatchOptions,
  pixels: Tensor,
  { bias = true }: { readonly bias?: boolean } = {},
): Tensor {
  const { channels, imageSize, patchSize, hiddenSize } = options;
  const n = pixels.shape[0] ?? 0;
  if (pixels.shape.join() !== [n, channels, imageSize, imageSize].join()) {
    throw complain('SHAPE', {
      where: 'embedPatches: pixels',
      expected: `f32[n,${channels},${imageSize},${imageSize}]`,
      got: `${pixels.dtype}[${pixels.shape.join(',')}]`,
    });
  }
  const grid = { kernel: patchSize, stride: patchSize, padding: 0, bias };
  const patches = conv2d(scope, pixels, hiddenSize, grid);
  const count = patches.shape[2]! * patches.shape[3]!;
  return g.transpose(g.reshape(patches, [n, hiddenSize, count]), [0, 2, 1]); // [n, patches, c]
}

export interface WordOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Most tokens of a text. */
  readonly maxPositions: number;
}

/** Rows of `token_embedding` and `position_embedding`, added: ids i64 [n, t] -> [n, t, c]. */
export function embedWords(scope: Scope, options: WordOptions, ids: Tensor): Tensor {
  const { vocabSize, hiddenSize, maxPositions } = options;
  const tokens = checkedTokens(ids, maxPositions);
  const words = embedding(scope.child('token_embedding'), ids, vocabSize, hiddenSize);
  const table = scope.child('position_embedding').parameter('weight', [maxPositions, hiddenSize]);
  return g.add(words, g.sliceAxis(table, 0, 0, tokens));
}

/** Tokens per text. Throws SHAPE unless ids are [n, t] with t from 1 to `maxPositions`. */
export function checkedTokens(ids: Tensor, maxPositions: number): number {
  const tokens = ids.shape[1] ?? 0;
  if (ids.shape.length === 2 && tokens >= 1 && tokens <= maxPositions) return tokens;
  throw complain('SHAPE', {
    where: 'embedWords: ids',
    expected: `i64[n,t] with t from 1 to ${maxPositions}`,
    got: `${ids.dtype}[${ids.shape.join(',')}]`,
  });
}
