/** @file Rows of the operation table: convolution, pooling and resizing. */
import {
  averagePool,
  blockedConv2d,
  type ConvOptions,
  conv2d,
  convTranspose2d,
  maxPool,
  type PoolOptions,
  resize,
} from '../../../src/graph/build.js';
import type { OpAttributes, Padding, Pair, ResizeAttributes } from '../../../src/graph/ops.js';
import { node } from '../../../src/graph/tensor.js';
import { float, type OpCase } from '../case.js';

/** name, x, weight, options */
type ConvRow = readonly [string, number[], number[], ConvOptions];

const convRows: readonly ConvRow[] = [
  ['3x3 padded', [2, 2, 4, 4], [3, 2, 3, 3], { padding: 1 }],
  ['3x3 bare', [1, 2, 4, 5], [2, 2, 3, 3], {}],
  ['1x1', [2, 3, 2, 3], [2, 3, 1, 1], {}],
  ['1x1 of one pixel', [1, 1, 1, 1], [1, 1, 1, 1], {}],
  ['3x3 of one pixel', [2, 1, 1, 1], [2, 1, 3, 3], { padding: 1 }],
  ['kernel as large as the picture', [1, 2, 3, 3], [2, 2, 3, 3], {}],
  ['wide kernel', [1, 1, 3, 5], [2, 1, 1, 3], { padding: [0, 1, 0, 1] }],
  ['even kernel', [1, 2, 4, 4], [1, 2, 2, 2], {}],
  ['stride 2', [1, 2, 6, 6], [2, 2, 3, 3], { stride: 2, padding: 1 }],
  ['stride 2, even kernel', [1, 2, 4, 4], [2, 2, 4, 4], { stride: 2, padding: 1 }],
  ['stride 2 leaves a row over', [1, 1, 6, 5], [2, 1, 3, 3], { stride: 2 }],
  ['stride of each axis', [1, 1, 5, 6], [1, 1, 3, 2], { stride: [2, 3] }],
  ['stride beyond the kernel', [1, 1, 7, 7], [1, 1, 2, 2], { stride: 3 }],
  ['windows side by side', [2, 2, 4, 6], [3, 2, 2, 3], { stride: [2, 3] }],
  ['windows side by side leave some over', [1, 2, 5, 7], [2, 2, 2, 2], { stride: 2 }],
  ['1x1 with stride', [1, 2, 5, 4], [3, 2, 1, 1], { stride: 2 }],
  ['1x1 padded', [1, 2, 2, 2], [2, 2, 1, 1], { padding: 1 }],
  ['dilation 2', [1, 1, 6, 6], [2, 1, 3, 3], { dilation: 2, padding: 2 }],
  ['dilation with stride', [1, 1, 7, 8], [1, 1, 3, 3], { dilation: [2, 3], stride: 2, padding: 1 }],
  ['sides padded differently', [1, 1, 4, 4], [1, 1, 3, 3], { padding: [0, 1, 2, 0] }],
  ['padding beyond the kernel', [1, 1, 3, 3], [1, 1, 2, 2], { padding: 3 }],
  ['two groups', [2, 4, 4, 3], [4, 2, 3, 3], { groups: 2, padding: 1 }],
  ['depthwise', [1, 3, 4, 4], [3, 1, 3, 3], { groups: 3, padding: 1 }],
  ['depthwise, two each, stride 2', [1, 2, 5, 5], [4, 1, 3, 3], { groups: 2, stride: 2 }],
];

const blockedRows: [string, number[], number[], number, ConvOptions][] = [
  ['3x3', [2, 32, 5, 4], [16, 32, 3, 3], 16, { padding: 1 }],
  ['1x1', [1, 16, 3, 3], [32, 16, 1, 1], 16, {}],
  [
    'stride 2, sides padded differently',
    [1, 16, 7, 6],
    [48, 16, 3, 3],
    16,
    { stride: 2, padding: [0, 0, 1, 1] },
  ],
  ['blocks of 8', [2, 8, 4, 4], [24, 8, 3, 3], 8, { padding: 1 }],
];

const blockedConvs: OpCase[] = blockedRows.flatMap(([name, x, weight, block, options]): OpCase[] =>
  [[], [float([weight[0]!])]].map((bias) => ({
    op: 'BlockedConv',
    name: bias.length > 0 ? `${name}, bias` : name,
    inputs: [float(x), float(weight), ...bias],
    build: (picture, kernel, offset) =>
      blockedConv2d(picture!, kernel!, offset, { ...options, block }),
    block,
  })),
);

const convs: OpCase[] = convRows.flatMap(([name, x, weight, options]): OpCase[] => [
  {
    op: 'Conv',
    name,
    inputs: [float(x), float(weight)],
    build: (picture, kernel) => conv2d(picture!, kernel!, undefined, options),
  },
  {
    op: 'Conv',
    name: `${name}, bias`,
    inputs: [float(x), float(weight), float([weight[0]!])],
    build: (picture, kernel, bias) => conv2d(picture!, kernel!, bias, options),
  },
]);

function fullAttributes(options: ConvOptions): OpAttributes['Conv'] {
  const pair = (value: number | Pair = 1): Pair =>
    typeof value === 'number' ? [value, value] : value;
  const { padding = 0, groups = 1 } = options;
  const pads: Padding =
    typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  return { stride: pair(options.stride), dilation: pair(options.dilation), padding: pads, groups };
}

const weightGrads: OpCase[] = convRows.map(([name, x, weight, options]) => {
  const [out, , kh, kw] = weight as [number, number, number, number];
  const attributes = fullAttributes(options);
  const size = (axis: 0 | 1, kernel: number): number => {
    const { stride, padding, dilation } = attributes;
    const room = x[axis + 2]! + padding[axis] + padding[axis + 2]! - dilation[axis] * (kernel - 1);
    return Math.floor((room - 1) / stride[axis]) + 1;
  };
  return {
    op: 'ConvWeightGrad',
    name,
    inputs: [float(x), float([x[0]!, out, size(0, kh), size(1, kw)])],
    build: (picture, gradient) =>
      node('ConvWeightGrad', [picture!, gradient!], { ...attributes, kernel: [kh, kw] }),
  };
});

/** name, x, weight [in, out/groups, kh, kw], options */
type TransposeRow = readonly [
  string,
  number[],
  number[],
  ConvOptions & { outputPadding?: number | Pair },
];

const transposeRows: readonly TransposeRow[] = [
  ['3x3 padded', [2, 2, 3, 3], [2, 3, 3, 3], { padding: 1 }],
  ['3x3 bare', [1, 2, 2, 3], [2, 1, 3, 3], {}],
  ['1x1', [1, 3, 2, 2], [3, 2, 1, 1], {}],
  ['one pixel', [1, 1, 1, 1], [1, 2, 3, 3], {}],
  ['stride 2', [1, 2, 3, 3], [2, 2, 4, 4], { stride: 2, padding: 1 }],
  [
    'stride 2, output padding',
    [1, 2, 3, 2],
    [2, 1, 3, 3],
    { stride: 2, padding: 1, outputPadding: 1 },
  ],
  ['output padding of one axis', [1, 1, 2, 2], [1, 1, 3, 3], { stride: 3, outputPadding: [2, 0] }],
  ['stride beyond the kernel', [1, 1, 2, 3], [1, 2, 2, 2], { stride: 3 }],
  ['dilation 2', [1, 1, 3, 3], [1, 2, 3, 3], { dilation: 2, padding: 2 }],
  [
    'dilation, output padding',
    [1, 1, 3, 3],
    [1, 1, 2, 2],
    { dilation: 2, stride: 2, outputPadding: 1 },
  ],
  ['sides padded differently', [1, 1, 3, 3], [1, 1, 3, 3], { padding: [0, 1, 2, 0] }],
  ['padding beyond the kernel', [1, 1, 6, 6], [1, 1, 2, 2], { padding: 2 }],
  ['two groups', [2, 4, 3, 3], [4, 1, 3, 3], { groups: 2, padding: 1 }],
  ['two groups, stride 2', [1, 2, 2, 2], [2, 2, 3, 3], { groups: 2, stride: 2 }],
];

const transposes: OpCase[] = transposeRows.flatMap(([name, x, weight, options]): OpCase[] => {
  const out = weight[1]! * (options.groups ?? 1);
  return [
    {
      op: 'ConvTranspose',
      name,
      inputs: [float(x), float(weight)],
      build: (picture, kernel) => convTranspose2d(picture!, kernel!, undefined, options),
    },
    {
      op: 'ConvTranspose',
      name: `${name}, bias`,
      inputs: [float(x), float(weight), float([out])],
      build: (picture, kernel, bias) => convTranspose2d(picture!, kernel!, bias, options),
    },
  ];
});

const sizes: [string, Pair, Pair][] = [
  ['doubled', [2, 3], [4, 6]],
  ['halved', [4, 6], [2, 3]],
  ['odd ratio up', [2, 3], [5, 4]],
  ['odd ratio down', [7, 5], [3, 2]],
  ['up and down', [3, 5], [6, 2]],
  ['to one pixel', [3, 4], [1, 1]],
  ['from one pixel', [1, 1], [2, 3]],
  ['unchanged', [3, 2], [3, 2]],
];
const variants: [string, Omit<ResizeAttributes, 'size'>][] = [
  ['nearest', { mode: 'nearest', alignCorners: false, antialias: false }],
  ['bilinear', { mode: 'bilinear', alignCorners: false, antialias: false }],
  ['bilinear, corners', { mode: 'bilinear', alignCorners: true, antialias: false }],
  ['bilinear, antialias', { mode: 'bilinear', alignCorners: false, antialias: true }],
  ['bicubic', { mode: 'bicubic', alignCorners: false, antialias: false }],
  ['bicubic, corners', { mode: 'bicubic', alignCorners: true, antialias: false }],
  ['bicubic, antialias', { mode: 'bicubic', alignCorners: false, antialias: true }],
];

const resizes: OpCase[] = variants.flatMap(([variant, options]) =>
  sizes.flatMap(([name, from, size]): OpCase[] => [
    {
      op: 'Resize',
      name: `${variant}, ${name}`,
      inputs: [float([2, 1, ...from])],
      build: (x) => resize(x!, { ...options, size }),
    },
    {
      op: 'ResizeAdjoint',
      name: `${variant}, ${name}`,
      inputs: [float([1, 2, ...size])],
      build: (x) => node('ResizeAdjoint', [x!], { ...options, size, inputSize: from }),
    },
  ]),
);

/** name, x, options */
const poolRows: [string, number[], PoolOptions][] = [
  ['2x2', [2, 2, 4, 6], { kernel: 2 }],
  ['global', [1, 3, 3, 2], { kernel: [3, 2] }],
  ['1x1', [1, 2, 2, 2], { kernel: 1 }],
  ['overlapping', [1, 1, 4, 5], { kernel: 3, stride: 1 }],
  ['padded', [1, 1, 4, 4], { kernel: 3, stride: 1, padding: 1 }],
  ['padded, stride 2', [1, 2, 5, 6], { kernel: 3, stride: 2, padding: 1 }],
  ['sides padded differently', [1, 1, 4, 4], { kernel: 2, stride: 2, padding: [0, 1, 1, 0] }],
  ['leaves a row over', [1, 1, 5, 4], { kernel: [2, 3], stride: 2 }],
  ['stride beyond the kernel', [1, 1, 6, 6], { kernel: 2, stride: 3 }],
  ['one pixel', [1, 1, 1, 1], { kernel: 1 }],
];

const pools: OpCase[] = poolRows.flatMap(([name, shape, options]): OpCase[] => [
  ...[true, false].flatMap((countIncludePad): OpCase[] => {
    const label = countIncludePad ? name : `${name}, padding not counted`;
    return [
      {
        op: 'AveragePool',
        name: label,
        inputs: [float(shape)],
        build: (x) => averagePool(x!, { ...options, countIncludePad }),
      },
      averagePoolAdjoint(label, shape, options, countIncludePad),
    ];
  }),
  { op: 'MaxPool', name, inputs: [float(shape)], build: (x) => maxPool(x!, options) },
]);

function averagePoolAdjoint(
  name: string,
  shape: readonly number[],
  options: PoolOptions,
  countIncludePad: boolean,
): OpCase {
  const kernel: Pair =
    typeof options.kernel === 'number' ? [options.kernel, options.kernel] : options.kernel;
  const { stride, padding } = fullAttributes({
    stride: options.stride ?? kernel,
    padding: options.padding ?? 0,
  });
  const inputSize: Pair = [shape[2]!, shape[3]!];
  const [h, w] = ([0, 1] as const).map(
    (axis) =>
      Math.floor(
        (inputSize[axis] + padding[axis] + padding[axis + 2]! - kernel[axis]) / stride[axis],
      ) + 1,
  ) as [number, number];
  const attributes = { kernel, stride, padding, countIncludePad, inputSize };
  return {
    op: 'AveragePoolAdjoint',
    name,
    inputs: [float([shape[0]!, shape[1]!, h, w])],
    build: (g) => node('AveragePoolAdjoint', [g!], attributes),
  };
}

export const pictureCases: readonly OpCase[] = [
  ...convs,
  ...blockedConvs,
  ...weightGrads,
  ...transposes,
  ...resizes,
  ...pools,
];
