import { describe, expect, it } from 'vitest';
import { autoencoderTinyDecode } from '../models/autoencoder-tiny.js';
import { parseComponent, Scope } from '../models/registry.js';
import * as g from './build.js';
import { countFlops } from './flops.js';
import { input, node, parameter, type Tensor } from './tensor.js';

const counts = (output: Tensor) => countFlops(new Map([['output', output]]));
const none = { conv: 0, linear: 0, attention: 0 };

describe('countFlops', () => {
  it('counts a product of matrices with its batch', () => {
    const product = g.matmul(input('a', [3, 4, 5]), input('b', [3, 5, 6]));
    expect(counts(product)).toEqual({ ...none, linear: 720 }); // 2 · 3 · 4 · 6 · 5
  });

  it('counts a strided, grouped convolution by what comes out', () => {
    const conv = node('Conv', [input('x', [2, 4, 8, 8]), parameter('w', [6, 2, 3, 3])], {
      stride: [2, 2],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 2,
    });
    expect(conv.shape).toEqual([2, 6, 4, 4]);
    expect(counts(conv)).toEqual({ ...none, conv: 6912 }); // 2 · (2·6·4·4) · (2·3·3)
  });

  it('counts a transposed convolution by what goes in', () => {
    const conv = node('ConvTranspose', [input('x', [1, 4, 5, 5]), parameter('w', [4, 3, 2, 2])], {
      stride: [2, 2],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: 1,
      outputPadding: [0, 0],
    });
    expect(counts(conv)).toEqual({ ...none, conv: 2400 }); // 2 · (4·5·5) · (3·2·2)
  });

  it('counts the gradient of a weight as its convolution', () => {
    const gradient = node('ConvWeightGrad', [input('x', [2, 4, 6, 6]), input('dy', [2, 3, 6, 6])], {
      stride: [1, 1],
      padding: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
      kernel: [3, 3],
    });
    expect(gradient.shape).toEqual([3, 4, 3, 3]);
    expect(counts(gradient)).toEqual({ ...none, conv: 15552 }); // 2 · (3·4·3·3) · (2·6·6)
  });

  it('counts both products of attention, values of another width', () => {
    const attention = node(
      'Attention',
      [input('q', [2, 7, 8]), input('k', [2, 5, 8]), input('v', [2, 5, 12])],
      { heads: 4, scale: 1, causal: false },
    );
    expect(counts(attention)).toEqual({ ...none, attention: 2800 }); // 2 · 2 · 7 · 5 · (8 + 12)
  });

  it('counts a node that is used twice once, and nothing elsewhere', () => {
    const product = g.matmul(input('a', [2, 3]), input('b', [3, 2]));
    expect(counts(g.add(product, g.exp(product)))).toEqual({ ...none, linear: 24 });
  });

  it('counts a small decoder as a person would', () => {
    const component = parseComponent('AutoencoderTiny', {
      latent_channels: 4,
      encoder_block_out_channels: [8, 8],
      decoder_block_out_channels: [8, 8],
      num_encoder_blocks: [1, 1],
      num_decoder_blocks: [1, 1],
    });
    if (component.className !== 'AutoencoderTiny') throw new Error('another class');
    const picture = autoencoderTinyDecode(new Scope(), component.config, input('z', [1, 4, 2, 2]));
    expect(picture.shape).toEqual([1, 3, 4, 4]);
    // 4 → 8 and three of 8 → 8 on 2²; one of 8 → 8, a block of three and 8 → 3 on 4²; all 3×3.
    const [small, large] = [4 * 9 * (4 * 8 + 3 * 64), 16 * 9 * (64 + 3 * 64 + 8 * 3)];
    expect(counts(picture)).toEqual({ ...none, conv: 2 * (small + large) });
  });
});
