/** @file Hand-made features of a pictogram on white: colours and their places, edges, outline. */
import { cropForeground } from './foreground.js';
import { oklabPlanes } from './oklab.js';
import { orientedGradients } from './oriented-gradients.js';
import { type PlanarPicture, requirePlanes } from './planar-picture.js';

/** Pixels per side of the crop that all features are taken from. */
const cropSide = 32;
/** Pixels per side of a cell of oriented gradients. */
const gradientCell = 4;
/** Points per side of the coarse grids. */
const gridSide = 16;
/** Histogram bins of lightness, a and b. */
const colourBins = [5, 9, 9] as const;
/** Oklab range of a and b that the bins cover, either side of grey. */
const chromaRange = 0.32;

/** What the distance compares, each on its own. */
export const featureBlocks = ['layout', 'edges', 'colours', 'silhouette'] as const;
export type FeatureBlock = (typeof featureBlocks)[number];

/**
 * - `layout`: Oklab colours of the crop on a 16x16 grid;
 * - `edges`: histograms of oriented gradients of the crop;
 * - `colours`: square roots of the shares of colours in the foreground, wherever they are;
 * - `silhouette`: coverage of the crop on a 16x16 grid.
 */
export type PictogramFeatures = Readonly<Record<FeatureBlock, Float32Array>>;

/**
 * Features of the thing on a white picture, whatever its place and size on it. The same function
 * serves real and generated pictures. Throws IMAGE when the planes do not fit.
 */
export function pictogramFeatures(picture: PlanarPicture): PictogramFeatures {
  requirePlanes(picture);
  const { colours, mask } = cropForeground(picture, cropSide);
  const planes = oklabPlanes(colours);
  return {
    layout: averageGrid(planes, cropSide, gridSide),
    edges: orientedGradients(planes, cropSide, gradientCell),
    colours: colourShares(planes, mask),
    silhouette: averageGrid(mask, cropSide, gridSide),
  };
}

/** Box averages of planes `[channels, side, side]`, giving `[channels, grid, grid]`. */
function averageGrid(planes: Float32Array, side: number, grid: number): Float32Array {
  const box = side / grid;
  const channels = planes.length / (side * side);
  const out = new Float32Array(channels * grid * grid);
  for (let at = 0; at < planes.length; at++) {
    const x = at % side;
    const row = Math.floor(at / side); // counts on through the channels
    out[Math.floor(row / box) * grid + Math.floor(x / box)]! += planes[at]! / (box * box);
  }
  return out;
}

/** Histogram over Oklab weighted by the mask, votes shared between bins; square roots of shares. */
function colourShares(planes: Float32Array, mask: Float32Array): Float32Array {
  const plane = mask.length;
  const [, aBins, bBins] = colourBins;
  const histogram = new Float32Array(colourBins[0] * aBins * bBins);
  let total = 0;
  for (let at = 0; at < plane; at++) {
    const weight = mask[at]!;
    if (weight === 0) continue;
    total += weight;
    const l = planes[at]!;
    const a = planes[at + plane]! / (2 * chromaRange) + 0.5;
    const b = planes[at + 2 * plane]! / (2 * chromaRange) + 0.5;
    share(histogram, [l, a, b], weight);
  }
  return histogram.map((value) => Math.sqrt(value / Math.max(total, 1e-6)));
}

/** Adds a weight to the eight bins around a point of 0 to 1 on each axis. */
function share(
  histogram: Float32Array,
  point: readonly [number, number, number],
  weight: number,
): void {
  const [lBins, aBins, bBins] = colourBins;
  const l = binOf(point[0], lBins);
  const a = binOf(point[1], aBins);
  const b = binOf(point[2], bBins);
  for (let corner = 0; corner < 8; corner++) {
    const [dl, da, db] = [corner & 1, (corner >> 1) & 1, corner >> 2];
    const part =
      (dl ? l - Math.floor(l) : 1 - l + Math.floor(l)) *
      (da ? a - Math.floor(a) : 1 - a + Math.floor(a)) *
      (db ? b - Math.floor(b) : 1 - b + Math.floor(b));
    if (part === 0) continue;
    const at = ((Math.floor(l) + dl) * aBins + Math.floor(a) + da) * bBins + Math.floor(b) + db;
    histogram[at]! += weight * part;
  }
}

/** Position among bins whose first and last lie at 0 and 1; outside points count as the ends. */
function binOf(value: number, bins: number): number {
  return Math.min(1, Math.max(0, value)) * (bins - 1);
}
