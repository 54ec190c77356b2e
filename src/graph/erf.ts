/** @file The error function in double precision: series and continued fraction, DLMF 7.6.2 and 7.9.2. */

/** erf(x) within a few units of 1e-16. */
export function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (magnitude > 6) return Math.sign(x);
  return magnitude < 2.5 ? erfSeries(x) : Math.sign(x) * (1 - erfcFraction(magnitude));
}

/** 2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)): all terms have one sign, so nothing cancels. */
function erfSeries(x: number): number {
  const square = x * x;
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > Math.abs(total) * 1e-17; n++) {
    term *= (2 * square) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * total;
}

/** e^(-x²)/√π · 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside out. */
function erfcFraction(x: number): number {
  let tail = x;
  for (let k = 60; k >= 1; k--) tail = x + k / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}
