/** @file Inception-v3 (Szegedy et al. 2016) as FID takes it: the TensorFlow network of 2015-12-05 under the parameter names of its torch file. */
import { complain } from '../core/errors.js';
import * as g from '../graph/build.js';
import type { Pair } from '../graph/ops.js';
import type { Tensor } from '../graph/tensor.js';
import { batchNorm } from '../nn/batch-norm.js';
import { linear } from '../nn/layers.js';
import type { Scope } from '../nn/scope.js';
import { type ConfigJson, ConfigReader } from './config-reader.js';
import { bookkeeping } from './transformers-fields.js';

export interface FidInceptionConfig {
  /** Classes of the last layer: 1008 in the published file. */
  readonly classes: number;
}

export const fidInceptionPresets = {
  published: { num_classes: 1008 },
} as const satisfies Record<string, ConfigJson>;

/** Pixels a side that the network was trained on. */
export const inceptionPictureSize = 299;

/** The published file has no config.json; `{}` stands for it. Throws CONFIG. */
export function parseFidInceptionConfig(json: unknown): FidInceptionConfig {
  const read = new ConfigReader('FidInceptionV3', json);
  read.ignore(...bookkeeping);
  const config = { classes: read.integer('num_classes', 1008) };
  read.done();
  return config;
}

/** Tensors of the published file and of torchvision's that nothing here reads are undefined. */
export function fidInceptionWeightName(nameInFile: string): string | undefined {
  const isUnread = nameInFile.endsWith('.num_batches_tracked') || /^AuxLogits\./.test(nameInFile);
  return isUnread ? undefined : nameInFile;
}

export interface FidInceptionOutputs {
  /** Averaged over the picture, [n, 2048]: the features of FID and KID. */
  readonly pool: Tensor;
  /** Classes without the last layer's bias, [n, classes]: what the inception score takes. */
  readonly logitsUnbiased: Tensor;
  readonly logits: Tensor;
}

/** Pixels [n, 3, h, w], each (x − 128) / 128 of 0 to 255, at least 75 a side. */
export function fidInception(
  scope: Scope,
  config: FidInceptionConfig,
  pixels: Tensor,
): FidInceptionOutputs {
  requirePixels(pixels);
  const mixed = (name: string, x: Tensor, block: Block): Tensor => block(scope.child(name), x);
  let x = stem(scope, pixels);
  x = mixed('Mixed_5b', x, blockA(32));
  x = mixed('Mixed_5c', x, blockA(64));
  x = mixed('Mixed_5d', x, blockA(64));
  x = mixed('Mixed_6a', x, blockB);
  x = mixed('Mixed_6b', x, blockC(128));
  x = mixed('Mixed_6c', x, blockC(160));
  x = mixed('Mixed_6d', x, blockC(160));
  x = mixed('Mixed_6e', x, blockC(192));
  x = mixed('Mixed_7a', x, blockD);
  x = mixed('Mixed_7b', x, blockE(averagePool));
  // The TensorFlow network takes the maximum here, unlike the paper; FID depends on it.
  x = mixed(
    'Mixed_7c',
    x,
    blockE((y) => g.maxPool(y, { kernel: 3, stride: 1, padding: 1 })),
  );
  const pool = g.mean(x, [2, 3]); // [n, 2048]
  const last = scope.child('fc');
  const logitsUnbiased = linear(last, pool, config.classes, { bias: false });
  const logits = g.add(logitsUnbiased, last.parameter('bias', [config.classes]));
  return { pool, logitsUnbiased, logits };
}

function requirePixels({ shape, dtype }: Tensor): void {
  const [, channels, height = 0, width = 0] = shape;
  if (shape.length === 4 && channels === 3 && height >= 75 && width >= 75) return;
  throw complain('SHAPE', {
    where: 'fidInception: pixels',
    expected: 'f32[n,3,h,w] with h and w from 75',
    got: `${dtype}[${shape.join(',')}]`,
  });
}

function stem(scope: Scope, pixels: Tensor): Tensor {
  const shrink = (y: Tensor): Tensor => g.maxPool(y, { kernel: 3, stride: 2 });
  let x = conv(scope.child('Conv2d_1a_3x3'), pixels, 32, { kernel: 3, stride: 2 });
  x = conv(scope.child('Conv2d_2a_3x3'), x, 32, { kernel: 3 });
  x = shrink(conv(scope.child('Conv2d_2b_3x3'), x, 64, { kernel: 3, isPadded: true }));
  x = conv(scope.child('Conv2d_3b_1x1'), x, 80, { kernel: 1 });
  return shrink(conv(scope.child('Conv2d_4a_3x3'), x, 192, { kernel: 3 })); // [n, 192, h/8, w/8]
}

interface ConvForm {
  readonly kernel: number | Pair;
  readonly stride?: number;
  /** Zeros around, so that the size stays. */
  readonly isPadded?: boolean;
}

/** Convolution without bias, batch norm and ReLU. */
function conv(scope: Scope, x: Tensor, channels: number, form: ConvForm): Tensor {
  const { kernel, stride = 1, isPadded = false } = form;
  const [height, width] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
  const shape = [channels, x.shape[1]!, height, width];
  const [rows, columns] = isPadded ? [(height - 1) / 2, (width - 1) / 2] : [0, 0];
  const y = g.conv2d(x, scope.child('conv').parameter('weight', shape), undefined, {
    stride,
    padding: [rows, columns, rows, columns],
  });
  return g.relu(batchNorm(scope.child('bn'), y, { eps: 0.001 }));
}

/** A step of a branch: the name after `branch`, channels, form. */
type Step = readonly [name: string, channels: number, form: ConvForm];
type Block = (scope: Scope, x: Tensor) => Tensor;

const one: ConvForm = { kernel: 1 };
const square = (kernel: number): ConvForm => ({ kernel, isPadded: true });
const wide = (kernel: number): ConvForm => ({ kernel: [1, kernel], isPadded: true });
const tall = (kernel: number): ConvForm => ({ kernel: [kernel, 1], isPadded: true });
const halving: ConvForm = { kernel: 3, stride: 2 };

/** Convolutions one after the other. */
function branch(scope: Scope, x: Tensor, ...steps: readonly Step[]): Tensor {
  return steps.reduce((y, [name, channels, form]) => {
    return conv(scope.child(`branch${name}`), y, channels, form);
  }, x);
}

/** TensorFlow's mean leaves the padding out, unlike torchvision's. */
function averagePool(x: Tensor): Tensor {
  return g.averagePool(x, { kernel: 3, stride: 1, padding: 1, countIncludePad: false });
}

const blockA =
  (poolChannels: number): Block =>
  (scope, x) =>
    g.concat(
      [
        branch(scope, x, ['1x1', 64, one]),
        branch(scope, x, ['5x5_1', 48, one], ['5x5_2', 64, square(5)]),
        branch(
          scope,
          x,
          ['3x3dbl_1', 64, one],
          ['3x3dbl_2', 96, square(3)],
          ['3x3dbl_3', 96, square(3)],
        ),
        branch(scope, averagePool(x), ['_pool', poolChannels, one]),
      ],
      1,
    );

const blockB: Block = (scope, x) =>
  g.concat(
    [
      branch(scope, x, ['3x3', 384, halving]),
      branch(
        scope,
        x,
        ['3x3dbl_1', 64, one],
        ['3x3dbl_2', 96, square(3)],
        ['3x3dbl_3', 96, halving],
      ),
      g.maxPool(x, { kernel: 3, stride: 2 }),
    ],
    1,
  );

const blockC =
  (inner: number): Block =>
  (scope, x) =>
    g.concat(
      [
        branch(scope, x, ['1x1', 192, one]),
        branch(scope, x, ['7x7_1', inner, one], ['7x7_2', inner, wide(7)], ['7x7_3', 192, tall(7)]),
        branch(
          scope,
          x,
          ['7x7dbl_1', inner, one],
          ['7x7dbl_2', inner, tall(7)],
          ['7x7dbl_3', inner, wide(7)],
          ['7x7dbl_4', inner, tall(7)],
          ['7x7dbl_5', 192, wide(7)],
        ),
        branch(scope, averagePool(x), ['_pool', 192, one]),
      ],
      1,
    );

const blockD: Block = (scope, x) =>
  g.concat(
    [
      branch(scope, x, ['3x3_1', 192, one], ['3x3_2', 320, halving]),
      branch(
        scope,
        x,
        ['7x7x3_1', 192, one],
        ['7x7x3_2', 192, wide(7)],
        ['7x7x3_3', 192, tall(7)],
        ['7x7x3_4', 192, halving],
      ),
      g.maxPool(x, { kernel: 3, stride: 2 }),
    ],
    1,
  );

const blockE =
  (pool: (x: Tensor) => Tensor): Block =>
  (scope, x) => {
    const small = branch(scope, x, ['3x3_1', 384, one]);
    const large = branch(scope, x, ['3x3dbl_1', 448, one], ['3x3dbl_2', 384, square(3)]);
    return g.concat(
      [
        branch(scope, x, ['1x1', 320, one]),
        branch(scope, small, ['3x3_2a', 384, wide(3)]),
        branch(scope, small, ['3x3_2b', 384, tall(3)]),
        branch(scope, large, ['3x3dbl_3a', 384, wide(3)]),
        branch(scope, large, ['3x3dbl_3b', 384, tall(3)]),
        branch(scope, pool(x), ['_pool', 192, one]),
      ],
      1,
    );
  };
