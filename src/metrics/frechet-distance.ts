/** @file Fréchet distance of two Gaussians (Dowson and Landau 1982), the formula of FID (Heusel et al. 2017). */
import { complain } from '../core/errors.js';
import { MomentCollector, type Moments, momentsOf } from './feature-moments.js';
import { type FeatureRows, requireFeatures } from './feature-rows.js';
import { type Matrix, nuclearNorm } from './nuclear-norm.js';
import { type PackedSymmetric, packedRow, positiveFactor } from './positive-factor.js';

/**
 * |μ₁ − μ₂|² + tr(S₁ + S₂ − 2·(S₁S₂)^½), never below 0. With Sᵢ = RᵢᵀRᵢ the last trace is the sum of
 * the singular values of R₁R₂ᵀ: no square root of a matrix, and covariances of any rank.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const size = a.mean.length;
  if (size !== b.mean.length) {
    const [expected, got] = [`${size} features in both sets`, `${b.mean.length}`];
    throw complain('DATA', { where: 'fid', expected, got });
  }
  let square = 0;
  for (let i = 0; i < size; i++) square += (a.mean[i]! - b.mean[i]!) ** 2;
  const cross = product(positiveFactor(a.covariance), positiveFactor(b.covariance));
  const traces = trace(a.covariance) + trace(b.covariance);
  return Math.max(0, square + traces - 2 * nuclearNorm(cross));
}

/** FID of features at hand. Throws DATA for fewer than two pictures or features that are not finite. */
export function fid(real: FeatureRows, fake: FeatureRows): number {
  requireFeatures('fid', 2, real, fake);
  const moments = (rows: FeatureRows): Moments => {
    const collector = new MomentCollector(rows.size);
    collector.add(rows);
    return momentsOf(collector.sums());
  };
  return frechetDistance(moments(real), moments(fake));
}

function trace({ size, data }: PackedSymmetric): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += data[packedRow(size, i) + i]!;
  return sum;
}

/** a·bᵀ, four rows of b at a time: [a.rows, b.rows]. */
function product(a: Matrix, b: Matrix): Matrix {
  const out = new Float64Array(a.rows * b.rows);
  const width = a.columns;
  for (let j = 0; j < b.rows; j += 4) {
    const rows = [0, 1, 2, 3].map((k) => Math.min(j + k, b.rows - 1) * width) as [
      number,
      number,
      number,
      number,
    ];
    for (let i = 0; i < a.rows; i++) {
      const dots = fourDots(a.data, i * width, b.data, rows, width);
      for (let k = 0; k < 4 && j + k < b.rows; k++) out[i * b.rows + j + k] = dots[k]!;
    }
  }
  return { rows: a.rows, columns: b.rows, data: out };
}

function fourDots(
  a: Float64Array,
  row: number,
  b: Float64Array,
  [p, q, r, s]: readonly [number, number, number, number],
  width: number,
): readonly number[] {
  let [w, x, y, z] = [0, 0, 0, 0];
  for (let k = 0; k < width; k++) {
    const value = a[row + k]!;
    w += value * b[p + k]!;
    x += value * b[q + k]!;
    y += value * b[r + k]!;
    z += value * b[s + k]!;
  }
  return [w, x, y, z];
}
