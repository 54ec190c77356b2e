/** @file sRGB to Oklab (Ottosson 2020), a colour space whose distances follow the eye. */

const linear = Float64Array.from({ length: 256 }, (_, byte) => {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
});

/** `[3, n]` sRGB planes of 0 to 255 to `[3, n]` planes of lightness 0 to 1 and a, b within ±0.35. */
export function oklabPlanes(srgb: Float32Array): Float32Array {
  const plane = srgb.length / 3;
  const out = new Float32Array(srgb.length);
  for (let at = 0; at < plane; at++) {
    const red = linear[byteOf(srgb[at]!)]!;
    const green = linear[byteOf(srgb[at + plane]!)]!;
    const blue = linear[byteOf(srgb[at + 2 * plane]!)]!;
    const l = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue);
    const m = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue);
    const s = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue);
    out[at] = 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s;
    out[at + plane] = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
    out[at + 2 * plane] = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  }
  return out;
}

function byteOf(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.round(value);
}
