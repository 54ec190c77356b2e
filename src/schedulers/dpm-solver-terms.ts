/** @file Factors of one DPM-Solver update, Lu et al. 2022 (2206.00927, 2211.01095), for its four algorithms. */
import type { VpLevel } from './vp-schedule.js';

const f = Math.fround;

export const algorithmTypes = [
  'dpmsolver',
  'dpmsolver++',
  'sde-dpmsolver',
  'sde-dpmsolver++',
] as const;
export type AlgorithmType = (typeof algorithmTypes)[number];

/** x_t = carry·x + direct·D0 + (midpoint or heun)·D1 + third·D2 + noise·z. */
export interface SolverTerms {
  readonly carry: number;
  readonly direct: number;
  /** Factor of the first difference, in both ways to take it. */
  readonly midpoint: number;
  readonly heun: number;
  /** Factor of the second difference. */
  readonly third: number;
  readonly noise: number;
}

/** The factors from level `s` to `t`, rounded to f32 in the order of diffusers. */
export function solverTerms(algorithm: AlgorithmType, s: VpLevel, t: VpLevel): SolverTerms {
  const h = f(t.lambda - s.lambda);
  const h2 = f(h * h);
  switch (algorithm) {
    case 'dpmsolver++': {
      const e = f(f(Math.exp(-h)) - 1);
      return {
        carry: f(t.sigma / s.sigma),
        direct: -f(t.alpha * e),
        midpoint: -f(0.5 * f(t.alpha * e)),
        heun: f(t.alpha * f(f(e / h) + 1)),
        third: -f(t.alpha * f(f(f(e + h) / h2) - 0.5)),
        noise: 0,
      };
    }
    case 'dpmsolver': {
      const e = f(f(Math.exp(h)) - 1);
      return {
        carry: f(t.alpha / s.alpha),
        direct: -f(t.sigma * e),
        midpoint: -f(0.5 * f(t.sigma * e)),
        heun: -f(t.sigma * f(f(e / h) - 1)),
        third: -f(t.sigma * f(f(f(e - h) / h2) - 0.5)),
        noise: 0,
      };
    }
    case 'sde-dpmsolver++': {
      const e = f(1 - f(Math.exp(-2 * h)));
      const twice = 2 * h;
      return {
        carry: f(f(t.sigma / s.sigma) * f(Math.exp(-h))),
        direct: f(t.alpha * e),
        midpoint: f(0.5 * f(t.alpha * e)),
        heun: f(t.alpha * f(f(e / -twice) + 1)),
        third: f(t.alpha * f(f(f(e - twice) / f(twice * twice)) - 0.5)),
        noise: f(t.sigma * f(Math.sqrt(e))),
      };
    }
    case 'sde-dpmsolver': {
      const e = f(f(Math.exp(h)) - 1);
      return {
        carry: f(t.alpha / s.alpha),
        direct: -f(2 * f(t.sigma * e)),
        midpoint: -f(t.sigma * e),
        heun: -f(2 * f(t.sigma * f(f(e / h) - 1))),
        third: Number.NaN,
        noise: f(t.sigma * f(Math.sqrt(f(f(Math.exp(2 * h)) - 1)))),
      };
    }
  }
}
