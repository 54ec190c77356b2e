/** @file 3×3 convolutions as Winograd's F(4×4, 3×3), Lavin and Gray 2015: a quarter of the multiplications. */
import * as g from '../build.js';
import type { GraphDtype } from '../ops.js';
import { rewrite } from '../rewrite.js';
import type { Graph, Tensor, TensorOf } from '../tensor.js';
import { fixedTensors, type IsStored } from './fixed.js';
import { type ConvChoice, convSize, whereFaster } from './winograd-choice.js';

type Matrix = readonly (readonly number[])[];

/**
 * Where the polynomials are met, beside infinity. These four around 0 lose half as much to rounding as the usual
 * ±1 and ±2 (a quarter at worst); all entries of Bᵀ and Aᵀ are exact.
 */
const points = [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2];

/** Coefficients of ∏ (x − p), lowest power first. */
function polynomial(roots: readonly number[]): number[] {
  const times = (poly: readonly number[], root: number): number[] =>
    [...poly, 0].map((same, power) => (poly[power - 1] ?? 0) - root * same);
  return roots.reduce<number[]>(times, [1]);
}

const others = (at: number): number[] => points.filter((_, i) => i !== at);

/** Bᵀ: six pixels of a line to six points. */
const inputMatrix: Matrix = [
  ...points.map((_, i) => [...polynomial(others(i)), 0]),
  polynomial(points),
];

/** G: three weights of a line to six points. */
const weightMatrix: Matrix = [
  ...points.map((p, i) => {
    const scale = others(i).reduce((product, q) => product * (p - q), 1);
    return [1 / scale, p / scale, p ** 2 / scale];
  }),
  [0, 0, 1],
];

/** Aᵀ: six points to four pixels of a line. */
const outputMatrix: Matrix = [0, 1, 2, 3].map((power) => [
  ...points.map((p) => p ** power),
  power === 3 ? 1 : 0,
]);

/** Default for `bandBytes`. */
const usualBandBytes = 64 * 2 ** 20;

/** Keeps constants of equal content once, by what they were made from. */
type Shared = (key: string, make: () => Tensor) => Tensor;

function sharing(): Shared {
  const known = new Map<string, Tensor>();
  return (key, make) => {
    const constant = known.get(key) ?? make();
    known.set(key, constant);
    return constant;
  };
}

/** M ⊗ M: the transform of both lines of a square at once. */
function squared(matrix: Matrix, dtype: GraphDtype): Tensor {
  const rows = matrix.flatMap((a) => matrix.map((b) => a.flatMap((x) => b.map((y) => x * y))));
  const shape = [rows.length, rows[0]!.length];
  return dtype === 'f64'
    ? g.constant({ dtype, shape, data: Float64Array.from(rows.flat()) })
    : g.constant({ dtype: 'f32', shape, data: Float32Array.from(rows.flat()) });
}

/** Places, in the pixels of padded pictures, of the 36 pixels of every tile from row `from` on. */
function tilePixels(picture: PaddedPicture, from: number, rows: number): Tensor {
  const { batch, height, width, columns } = picture;
  const places: number[] = [];
  for (let point = 0; point < 36; point++) {
    const [dy, dx] = [Math.floor(point / 6), point % 6];
    for (let n = 0; n < batch; n++) {
      for (let row = from; row < from + rows; row++) {
        for (let column = 0; column < columns; column++) {
          places.push((n * height + 4 * row + dy) * width + 4 * column + dx);
        }
      }
    }
  }
  return g.indices(places, [36, places.length / 36]);
}

interface PaddedPicture {
  /** [n·height·width, c]: a copy of a pixel is one stretch of memory. */
  readonly pixels: Tensor;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Tiles of 4 × 4 output pixels below and beside each other. */
  readonly rows: number;
  readonly columns: number;
}

function paddedPicture({ inputs, attributes, shape }: TensorOf<'Conv'>): PaddedPicture {
  const [batch, channels, h, w] = inputs[0]!.shape as [number, number, number, number];
  const [top, left] = attributes.padding;
  const [rows, columns] = [Math.ceil(shape[2]! / 4), Math.ceil(shape[3]! / 4)];
  const [height, width] = [4 * rows + 2, 4 * columns + 2];
  const last = g.transpose(inputs[0]!, [0, 2, 3, 1]); // [n, h, w, c]
  const padded = g.pad(last, [0, top, left, 0], [0, height - h - top, width - w - left, 0]);
  const pixels = g.reshape(padded, [batch * height * width, channels]);
  return { pixels, batch, height, width, rows, columns };
}

/** w [o, c, 3, 3] -> [36, o, c] */
function transformedWeights(weight: Tensor): Tensor {
  const [out, channels] = weight.shape as [number, number];
  const points = g.transpose(g.reshape(weight, [out * channels, 9]), [1, 0]);
  return g.reshape(g.matmul(squared(weightMatrix, weight.dtype), points), [36, out, channels]);
}

interface Band {
  /** Tile rows. */
  readonly from: number;
  readonly rows: number;
  readonly shared: Shared;
}

/** The pixels of a band of tile rows, [n, o, 4·rows, 4·columns]. */
function band(picture: PaddedPicture, weights: Tensor, { from, rows, shared }: Band): Tensor {
  const { pixels, batch, columns } = picture;
  const [, out, channels] = weights.shape as [number, number, number];
  const tiles = batch * rows * columns;
  const key = [batch, picture.height, picture.width, from, rows].join();
  const places = shared(key, () => tilePixels(picture, from, rows));
  const patches = g.gather(pixels, places); // [36, tiles, c]
  const flat = g.reshape(patches, [36, tiles * channels]);
  const points = g.matmul(squared(inputMatrix, pixels.dtype), flat);
  const right = g.transpose(g.reshape(points, [36, tiles, channels]), [0, 2, 1]); // [36, c, tiles]
  const products = g.matmul(weights, right); // [36, o, tiles]
  const squares = g.matmul(
    squared(outputMatrix, pixels.dtype),
    g.reshape(products, [36, out * tiles]),
  );
  const split = g.reshape(squares, [4, 4, out, batch, rows, columns]);
  return g.reshape(g.transpose(split, [3, 2, 4, 0, 5, 1]), [batch, out, 4 * rows, 4 * columns]);
}

function winogradForm(
  conv: TensorOf<'Conv'>,
  { shared, bandBytes }: { readonly shared: Shared; readonly bandBytes: number },
): Tensor {
  const bias = conv.inputs[2];
  const [, out, height, width] = conv.shape as [number, number, number, number];
  const picture = paddedPicture(conv);
  const weights = transformedWeights(conv.inputs[1]!);
  const rowBytes = 4 * 36 * picture.batch * picture.columns * (weights.shape[2]! + out);
  const most = Math.max(1, Math.floor(bandBytes / rowBytes));
  const even = Math.ceil(picture.rows / Math.ceil(picture.rows / most));
  const bands: Tensor[] = [];
  for (let from = 0; from < picture.rows; from += even) {
    const rows = Math.min(even, picture.rows - from);
    bands.push(band(picture, weights, { from, rows, shared }));
  }
  const whole = g.concat(bands, 2);
  const y =
    whole.shape.join() === conv.shape.join()
      ? whole
      : g.slice(whole, [0, 0, 0, 0], [picture.batch, out, height, width]);
  return bias ? g.add(y, g.reshape(bias, [1, out, 1, 1])) : y;
}

/** With fewer, as at either end of a network, transforming costs more than the products save. */
const leastChannels = 8;

function hasForm({ inputs, attributes, shape, dtype }: TensorOf<'Conv'>): boolean {
  const { stride, dilation, groups } = attributes;
  return (
    inputs[1]!.shape.slice(2).join() === '3,3' &&
    [...stride, ...dilation, groups].every((n) => n === 1) &&
    shape[1]! >= leastChannels &&
    inputs[1]!.shape[1]! >= leastChannels &&
    shape.every((size) => size > 0) &&
    (dtype === 'f32' || dtype === 'f64')
  );
}

export interface WinogradOptions {
  readonly isStored: IsStored;
  /** Default `whereFaster`. */
  readonly chooses?: ConvChoice;
  /** Values of the tiles computed at once; larger layers go in bands of tile rows. Default 64 MiB. */
  readonly bandBytes?: number;
}

/**
 * Gives chosen convolutions whose weights are fixed the form of a batched product. Results differ
 * from the direct form by rounding, about 1e-6 of the largest.
 */
export function winograd(graph: Graph, options: WinogradOptions): Graph {
  const { isStored, chooses = whereFaster, bandBytes = usualBandBytes } = options;
  const fixed = fixedTensors(graph, isStored);
  const shared = sharing();
  return rewrite(graph, (node, original) => {
    if (node.op !== 'Conv' || !hasForm(node) || !fixed.has(original.inputs[1]!)) return undefined;
    return chooses(convSize(node)) ? winogradForm(node, { shared, bandBytes }) : undefined;
  });
}
