/** @file Noise levels of a run in other spacings: Karras (2206.00364), exponential, beta (2407.12173). */
import { linspace } from './schedules.js';

/** σ of a run, falling from `largest` to `least`, both included; f64. */
export interface SigmaRange {
  readonly largest: number;
  readonly least: number;
  readonly count: number;
}

/** Karras et al. 2022, equation 5 with ρ = 7 unless told. */
export function karrasSigmas({ largest, least, count }: SigmaRange, rho = 7): Float64Array {
  const high = largest ** (1 / rho);
  const low = least ** (1 / rho);
  return linspace(0, 1, count).map((ramp) => (high + ramp * (low - high)) ** rho);
}

/** Evenly spaced in log σ. */
export function exponentialSigmas({ largest, least, count }: SigmaRange): Float64Array {
  return linspace(Math.log(largest), Math.log(least), count).map(Math.exp);
}

/** Spaced by the quantiles of Beta(0.6, 0.6). */
export function betaSigmas({ largest, least, count }: SigmaRange): Float64Array {
  const span = largest - least;
  return linspace(0, 1, count).map((share) => least + betaQuantile(1 - share, 0.6) * span);
}

/** The value below which a share `p` of the symmetric Beta(a, a) lies; bisection to f64 precision. */
export function betaQuantile(p: number, a: number): number {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  if (p > 0.5) return 1 - betaQuantile(1 - p, a);
  let low = 0;
  let high = 0.5;
  while (true) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return middle;
    if (regularizedBeta(middle, a) < p) low = middle;
    else high = middle;
  }
}

/** I_x(a, a) for x ≤ 1/2 by its power series; I_½(a, a) = ½ gives the constant without a gamma function. */
function regularizedBeta(x: number, a: number): number {
  return (0.5 * incompleteBeta(x, a)) / incompleteBeta(0.5, a);
}

/** ∫₀ˣ t^(a−1)·(1−t)^(a−1) dt = x^a · Σ (1−a)ₙ / (n!·(a+n)) · xⁿ. */
function incompleteBeta(x: number, a: number): number {
  let coefficient = 1;
  let sum = 1 / a;
  for (let n = 1; n < 200; n++) {
    coefficient *= ((n - a) / n) * x;
    const term = coefficient / (a + n);
    sum += term;
    if (Math.abs(term) < 1e-17 * sum) break;
  }
  return x ** a * sum;
}
