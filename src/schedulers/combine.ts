/** @file Sums of scaled latents, rounded to f32 where torch rounds: the arithmetic of every sampler. */

const f = Math.fround;

/** c₀·a₀ + c₁·a₁ + … from left to right; every factor, product and sum is rounded to f32. */
export function combine(...terms: readonly (readonly [number, Float32Array])[]): Float32Array {
  const out = new Float32Array(terms[0]![1].length);
  for (const [index, [factor, values]] of terms.entries()) {
    const c = f(factor);
    if (index === 0) for (let i = 0; i < out.length; i++) out[i] = c * values[i]!;
    else for (let i = 0; i < out.length; i++) out[i] = out[i]! + f(c * values[i]!);
  }
  return out;
}

/** (a − b) / divisor. */
export function slope(a: Float32Array, b: Float32Array, divisor = 1): Float32Array {
  return a.map((v, i) => f(v - b[i]!) / divisor);
}

/** factor·(a − b). */
export function scaledDifference(factor: number, a: Float32Array, b: Float32Array): Float32Array {
  const c = f(factor);
  return a.map((v, i) => c * f(v - b[i]!));
}

/** a / divisor. */
export function divided(a: Float32Array, divisor: number): Float32Array {
  return a.map((v) => v / divisor);
}
