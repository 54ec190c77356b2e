/**
 * @file numpy's float32 logarithm, bit for bit on processors with AVX2 or AVX-512: a quotient of two polynomials.
 * Differences of logarithms of near noise levels keep its last-bit errors, so coefficients follow them.
 */

const f = Math.fround;
const upper = [
  0.025899791179079226, 0.3808837741388408, 1.4800006335765066, 2.112677543073053, 1, 0,
].map(f);
const lower = [
  0.005875095403124574, 0.15464763749839067, 0.9864942958519419, 2.453006071784736,
  2.6126775430731093, 1,
].map(f);
const bits = new DataView(new ArrayBuffer(4));

/** `numpy.log` of one float32. Zero gives −∞, as everywhere. */
export function numpyLog(value: number): number {
  if (!(value > 0) || value === Number.POSITIVE_INFINITY || value < 2 ** -126) {
    return f(Math.log(value));
  }
  bits.setFloat32(0, value);
  const raw = bits.getUint32(0);
  let exponent = (raw >>> 23) - 127;
  bits.setUint32(0, (raw & 0x7fffff) | 0x3f800000);
  let mantissa = bits.getFloat32(0);
  if (mantissa > f(Math.SQRT2)) {
    mantissa /= 2;
    exponent += 1;
  }
  const rest = f(mantissa - 1);
  const quotient = f(polynomial(upper, rest) / polynomial(lower, rest));
  return f(exponent * f(Math.LN2) + quotient);
}

/** Horner's rule with fused products, the highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => f(sum * x + coefficient));
}
