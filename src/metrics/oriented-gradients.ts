/** @file Histograms of oriented gradients (Dalal and Triggs 2005): where edges run which way. */

const orientations = 9;
/** Largest value of a normalised block, so that one long edge does not outweigh the rest. */
const clippedAt = 0.2;
/** Gradient strength at which a block counts as half textured; keeps blank blocks near zero. */
const softening = 0.05;

/**
 * Unsigned orientations in cells of `cell` pixels, votes shared between neighbouring cells and
 * bins, blocks of 2x2 cells normalised and clipped. Of several planes the steepest votes.
 * `planes` is `[channels, side, side]`. Gives `[(side / cell - 1)^2, 4, 9]`.
 */
export function orientedGradients(planes: Float32Array, side: number, cell: number): Float32Array {
  return normaliseBlocks(cellHistograms(planes, side, cell), side / cell);
}

function cellHistograms(planes: Float32Array, side: number, cell: number): Float32Array {
  const cells = side / cell;
  const histograms = new Float32Array(cells * cells * orientations);
  const gradient = { x: 0, y: 0, strength: 0 };
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) {
      steepest(planes, side, y * side + x, gradient);
      if (gradient.strength > 0) vote(histograms, cells, cell, x, y, gradient);
    }
  }
  return histograms;
}

interface Gradient {
  x: number;
  y: number;
  strength: number;
}

/** Central differences of the plane with the strongest gradient, into `out`. */
function steepest(planes: Float32Array, side: number, at: number, out: Gradient): void {
  let most = 0;
  for (let from = at; from < planes.length; from += side * side) {
    const x = planes[from + 1]! - planes[from - 1]!;
    const y = planes[from + side]! - planes[from - side]!;
    const squared = x * x + y * y;
    if (squared <= most) continue;
    most = squared;
    out.x = x;
    out.y = y;
  }
  out.strength = Math.sqrt(most);
}

function vote(
  histograms: Float32Array,
  cells: number,
  cell: number,
  x: number,
  y: number,
  gradient: Gradient,
): void {
  const turn = Math.atan2(gradient.y, gradient.x) / Math.PI; // the same modulo 1 is the same line
  const bin = (turn - Math.floor(turn)) * orientations - 0.5;
  const firstBin = Math.floor(bin);
  const column = (x + 0.5) / cell - 0.5;
  const row = (y + 0.5) / cell - 0.5;
  const [firstColumn, firstRow] = [Math.floor(column), Math.floor(row)];
  for (let dy = 0; dy < 2; dy++) {
    const cellY = firstRow + dy;
    if (cellY < 0 || cellY >= cells) continue;
    const byRow = gradient.strength * (1 - Math.abs(row - cellY));
    for (let dx = 0; dx < 2; dx++) {
      const cellX = firstColumn + dx;
      if (cellX < 0 || cellX >= cells) continue;
      const weight = byRow * (1 - Math.abs(column - cellX));
      const base = (cellY * cells + cellX) * orientations;
      const share = bin - firstBin;
      histograms[base + ((firstBin + orientations) % orientations)]! += weight * (1 - share);
      histograms[base + ((firstBin + 1) % orientations)]! += weight * share;
    }
  }
}

function normaliseBlocks(histograms: Float32Array, cells: number): Float32Array {
  const blockLength = 4 * orientations;
  const out = new Float32Array((cells - 1) * (cells - 1) * blockLength);
  let to = 0;
  for (let y = 0; y + 1 < cells; y++) {
    for (let x = 0; x + 1 < cells; x++, to += blockLength) {
      const block = out.subarray(to, to + blockLength);
      const width = 2 * orientations;
      for (let dy = 0; dy < 2; dy++) {
        const from = ((y + dy) * cells + x) * orientations;
        block.set(histograms.subarray(from, from + width), dy * width);
      }
      normalise(block, softening * cells);
      for (let i = 0; i < blockLength; i++) block[i] = Math.min(clippedAt, block[i]!);
    }
  }
  return out;
}

/** Divides by the length, which a short vector keeps part of. */
function normalise(vector: Float32Array, soft: number): void {
  let total = soft * soft;
  for (const value of vector) total += value * value;
  const scale = 1 / Math.sqrt(total);
  for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! * scale;
}
