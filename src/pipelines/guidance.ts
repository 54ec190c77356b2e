/** @file Classifier-free guidance (Ho and Salimans 2022) and its rescaling (Lin et al. 2023, section 3.4). */

/** How strongly the text pulls. */
export interface Guidance {
  /** 1 and below: none. */
  readonly scale: number;
  /** Share of the result whose spread is brought back to the text prediction's, 0 to 1. */
  readonly rescale: number;
}

const f = Math.fround;

/** What the model says to one text, and the share of that text. */
export interface ClauseOutput {
  readonly text: Float32Array;
  readonly weight: number;
}

/** unconditional + scale · Σ weight · (text − unconditional) in f32, rescaled when asked. */
export function guide(
  unconditional: Float32Array,
  clauses: readonly ClauseOutput[],
  { scale, rescale }: Guidance,
): Float32Array {
  const guided = unconditional.slice();
  for (const { text, weight } of clauses) {
    const factor = f(scale * weight);
    for (let i = 0; i < guided.length; i++) {
      guided[i] = guided[i]! + f(factor * f(text[i]! - unconditional[i]!));
    }
  }
  if (rescale === 0) return guided;
  const ratio = f(deviation(clauses[0]!.text) / deviation(guided));
  const [share, rest] = [f(rescale), f(1 - rescale)];
  return guided.map((value) => f(share * f(value * ratio)) + f(rest * value));
}

/** Standard deviation of a sample, with n − 1 in the denominator. */
function deviation(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * The guidance embedding of LCM models, [width]: sines then cosines of 1000 · (scale − 1)
 * (diffusers get_guidance_scale_embedding).
 */
export function guidanceEmbedding(scale: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  const slope = f(f(Math.log(10_000)) / (half - 1));
  const position = f(f(scale - 1) * 1000);
  const out = new Float32Array(width);
  for (let i = 0; i < half; i++) {
    const angle = f(position * f(Math.exp(f(i * -slope))));
    out[i] = Math.sin(angle);
    out[half + i] = Math.cos(angle);
  }
  return out;
}
