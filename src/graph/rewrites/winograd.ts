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
const points = [0, 5 / 8, -5 / 8, 3 / 2, -3 / 2];

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
function squared(matrix: Matrix): Matrix {
  return matrix.flatMap((a) => matrix.map((b) => a.flatMap((x) => b.map((y) => x * y))));
}

const toPoints = squared(inputMatrix);
const weightsToPoints = squared(weightMatrix);
const toPixels = squared(outputMatrix);

function constantOf(rows: Matrix, dtype: GraphDtype): Tensor {
  const shape = [rows.length, rows[0]!.length];
  return dtype === 'f64'
    ? g.constant({ dtype, shape, data: Float64Array.from(rows.flat()) })
    : g.constant({ dtype: 'f32', shape, data: Float32Array.from(rows.flat()) });
}

interface TiledPicture {
  /** [n·height·width + 1, c], the last one blank: a copy of a pixel is one stretch of memory. */
  readonly pixels: Tensor;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Blank pixels above and left of the picture. */
  readonly padding: readonly [top: number, left: number];
  /** Tiles of 4 × 4 output pixels below and beside each other. */
  readonly rows: number;
  readonly columns: number;
}

function tiledPicture({ inputs, attributes, shape }: TensorOf<'Conv'>): TiledPicture {
  const [batch, channels, height, width] = inputs[0]!.shape as [number, number, number, number];
  const [top, left] = attributes.padding;
  const [rows, columns] = [Math.ceil(shape[2]! / 4), Math.ceil(shape[3]! / 4)];
  const last = g.transpose(inputs[0]!, [0, 2, 3, 1]); // [n, h, w, c]
  const flat = g.reshape(last, [batch * height * width, channels]);
  const pixels = g.concat([flat, g.filled(0, [1, channels], flat.dtype)], 0);
  return { pixels, batch, height, width, padding: [top, left], rows, columns };
}

/** Places, in `pixels`, of the 36 pixels of every tile from row `from` on. */
function tilePixels(picture: TiledPicture, from: number, rows: number): Tensor {
  const { batch, height, width, columns, padding } = picture;
  const blank = batch * height * width;
  const places: number[] = [];
  for (let point = 0; point < 36; point++) {
    const [dy, dx] = [Math.floor(point / 6) - padding[0], (point % 6) - padding[1]];
    for (let n = 0; n < batch; n++) {
      for (let row = from; row < from + rows; row++) {
        for (let column = 0; column < columns; column++) {
          const [y, x] = [4 * row + dy, 4 * column + dx];
          const isInside = y >= 0 && y < height && x >= 0 && x < width;
          places.push(isInside ? (n * height + y) * width + x : blank);
        }
      }
    }
  }
  return g.indices(places, [36, places.length / 36]);
}

/** w [o, c, 3, 3] -> [36, o, c], on the left of the product, which reads them as they lie. */
function transformedWeights(weight: Tensor): Tensor {
  const [out, channels] = weight.shape as [number, number];
  const points = g.transpose(g.reshape(weight, [out, channels, 9]), [2, 0, 1]);
  const flat = g.reshape(points, [9, out * channels]);
  return g.reshape(g.matmul(constantOf(weightsToPoints, weight.dtype), flat), [36, out, channels]);
}

interface Band {
  /** Tile rows. */
  readonly from: number;
  readonly rows: number;
  readonly shared: Shared;
}

interface Layer {
  /** [36, o, c]. */
  readonly weights: Tensor;
  /** [o]. */
  readonly bias: Tensor | undefined;
}

/** The pixels of a band of tile rows, [n, o, 4·rows, 4·columns]. */
function band(picture: TiledPicture, layer: Layer, { from, rows, shared }: Band): Tensor {
  const { pixels, batch, columns } = picture;
  const channels = pixels.shape[1]!;
  const tiles = batch * rows * columns;
  const key = [picture.height, picture.width, picture.padding, batch, columns, from, rows].join();
  const places = shared(key, () => tilePixels(picture, from, rows));
  const patches = g.gather(pixels, places); // [36, tiles, c]
  const flat = g.reshape(patches, [36, tiles * channels]);
  const { dtype } = pixels;
  const transformed = g.matmul(
    shared(`to points ${dtype}`, () => constantOf(toPoints, dtype)),
    flat,
  );
  const points = g.reshape(transformed, [36, tiles, channels]);
  const products = g.matmul(layer.weights, g.transpose(points, [0, 2, 1])); // [36, o, tiles]
  return backToPixels(products, layer.bias, { grid: [batch, rows, columns], shared });
}

/** Products [36, o, tiles] -> [n, o, 4·rows, 4·columns]. */
function backToPixels(
  products: Tensor,
  bias: Tensor | undefined,
  {
    grid: [batch, rows, columns],
    shared,
  }: { grid: readonly [number, number, number]; shared: Shared },
): Tensor {
  const { dtype } = products;
  const out = products.shape[1]!;
  const width = stretch(columns);
  const matrix = shared(`to pixels ${dtype}`, () => constantOf(toPixels, dtype));
  const order = shared(`side by side ${width} ${dtype}`, () => sideBySide(width, dtype));
  const pixels = squares(products, bias, matrix);
  const split = g.reshape(pixels, [4, 4, out, batch, rows, columns / width, width]);
  const turned = g.transpose(split, [3, 2, 4, 0, 5, 1, 6]); // [n, o, rows, 4, columns / width, 4, width]
  const lines = g.reshape(turned, [-1, 4 * width]);
  return g.reshape(g.matmul(lines, order), [batch, out, 4 * rows, 4 * columns]);
}

/**
 * How many tiles of a row one product puts side by side: a divisor near 16, as measured; else the whole row, unless
 * that makes a large matrix. Then the transpose before the product moves single values.
 */
function stretch(columns: number): number {
  for (let width = 16; width >= 4; width--) if (columns % width === 0) return width;
  return columns <= 64 ? columns : 1;
}

/**
 * Orders the pixels of `tiles` tiles in a line, given as the first ones of all, the second ones of all, and so on:
 * [4·tiles, 4·tiles]. As a product this takes ONNX Runtime a quarter of the time of a transpose of single values.
 */
function sideBySide(tiles: number, dtype: GraphDtype): Tensor {
  const pixels = Array.from({ length: 4 * tiles }, (_, pixel) => pixel);
  const pixelOf = (place: number): number => 4 * (place % tiles) + Math.floor(place / tiles);
  return constantOf(
    pixels.map((place) => pixels.map((pixel) => (pixel === pixelOf(place) ? 1 : 0))),
    dtype,
  );
}

/** Products [36, o, tiles] -> [16, o·tiles], the pixels of every tile. The bias rides with the product. */
function squares(products: Tensor, bias: Tensor | undefined, matrix: Tensor): Tensor {
  const [, out, tiles] = products.shape as [number, number, number];
  const pixels = g.matmul(matrix, g.reshape(products, [36, out * tiles]));
  if (!bias) return pixels;
  return g.add(pixels, g.reshape(g.expand(g.reshape(bias, [out, 1]), [out, tiles]), [-1]));
}

function winogradForm(
  conv: TensorOf<'Conv'>,
  { shared, bandBytes }: { readonly shared: Shared; readonly bandBytes: number },
): Tensor {
  const [, out, height, width] = conv.shape as [number, number, number, number];
  const picture = tiledPicture(conv);
  const weight = conv.inputs[1]!;
  const rowBytes = 4 * 36 * picture.batch * picture.columns * (weight.shape[1]! + out);
  const most = Math.max(1, Math.floor(bandBytes / rowBytes));
  const even = Math.ceil(picture.rows / Math.ceil(picture.rows / most));
  const layer = { weights: transformedWeights(weight), bias: conv.inputs[2] };
  const bands: Tensor[] = [];
  for (let from = 0; from < picture.rows; from += even) {
    const rows = Math.min(even, picture.rows - from);
    bands.push(band(picture, layer, { from, rows, shared }));
  }
  const whole = g.concat(bands, 2);
  if (whole.shape.join() === conv.shape.join()) return whole;
  return g.slice(whole, [0, 0, 0, 0], [picture.batch, out, height, width]);
}

function hasForm({ inputs, attributes, shape, dtype }: TensorOf<'Conv'>): boolean {
  const { stride, dilation, groups } = attributes;
  return (
    inputs[1]!.shape.slice(2).join() === '3,3' &&
    [...stride, ...dilation, groups].every((n) => n === 1) &&
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
