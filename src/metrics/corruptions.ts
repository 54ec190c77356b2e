/** @file Damage done to real pictures, to choose and check features before any generated one is seen. */
import { blankCanvas, drawPicture } from '../data/compositing.js';
import type { DataRandom } from '../data/shuffle.js';
import type { PlanarPicture } from './planar-picture.js';

type Corruption = (picture: PlanarPicture, random: DataRandom) => PlanarPicture;

/** A random point from -1 to 1 on a coarse grid, read smoothly anywhere. */
type SmoothField = (x: number, y: number) => number;

function smoothField(random: DataRandom, grid: number): SmoothField {
  const points = Float32Array.from({ length: (grid + 1) ** 2 }, () => random.between(-1, 1));
  return (x, y) => {
    const [u, v] = [clamp(x, 0, 0.9999) * grid, clamp(y, 0, 0.9999) * grid];
    const [left, top] = [Math.floor(u), Math.floor(v)];
    const at = top * (grid + 1) + left;
    const upper = mix(points[at]!, points[at + 1]!, ease(u - left));
    const lower = mix(points[at + grid + 1]!, points[at + grid + 2]!, ease(u - left));
    return mix(upper, lower, ease(v - top));
  };
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));
const mix = (a: number, b: number, share: number): number => a + (b - a) * share;
const ease = (t: number): number => t * t * (3 - 2 * t);

/** Shifts by up to 6 % and scales to 0.88 to 1, as training does. */
function place({ size, pixels }: PlanarPicture, random: DataRandom): PlanarPicture {
  const side = size * random.between(0.88, 1);
  const shift = (): number => (size - side) / 2 + 0.06 * size * random.between(-1, 1);
  const canvas = blankCanvas(size, [255, 255, 255]);
  const plane = size * size;
  const source = new Uint8ClampedArray(plane * 4).fill(255);
  for (let at = 0; at < pixels.length; at++) {
    source[(at % plane) * 4 + Math.floor(at / plane)] = (pixels[at]! + 1) * 127.5;
  }
  const placement = { left: shift(), top: shift(), side, isMirrored: false };
  drawPicture(canvas, new Uint8Array(source.buffer), size, placement);
  return { size, pixels: canvas.data.map((value) => value / 127.5 - 1) };
}

/** Averages `radius` pixels to each side, twice along each axis: close to a Gaussian. */
function blurBy(radius: number): Corruption {
  return ({ size, pixels }) => {
    let blurred = pixels;
    for (const step of [1, size, 1, size]) blurred = boxBlur(blurred, size, step, radius);
    return { size, pixels: blurred };
  };
}

/** Box blur along one axis, `step` 1 for rows and `size` for columns; edges repeat. */
function boxBlur(pixels: Float32Array, size: number, step: number, radius: number): Float32Array {
  return pixels.map((_, at) => {
    const along = Math.floor(at / step) % size;
    let sum = 0;
    for (let offset = -radius; offset <= radius; offset++) {
      sum += pixels[at + (clamp(along + offset, 0, size - 1) - along) * step]!;
    }
    return sum / (2 * radius + 1);
  });
}

/** Independent noise of the given standard deviation at every value. */
function noiseOf(sigma: number): Corruption {
  return ({ size, pixels }, random) => ({
    size,
    pixels: pixels.map((value) => {
      const normal = random.next() + random.next() + random.next() + random.next() - 2;
      return clamp(value + sigma * Math.sqrt(3) * normal, -1, 1);
    }),
  });
}

/** What a weak autoencoder does: detail below 8 pixels fades, colours drift in patches. */
const smoothAndDrift: Corruption = (picture, random) => {
  const { size, pixels } = blurBy(3)(picture, random);
  const drifts = [0, 1, 2].map(() => smoothField(random, 16));
  const plane = size * size;
  return {
    size,
    pixels: pixels.map((value, at) => {
      const x = (at % size) / size;
      const y = (Math.floor(at / size) % size) / size;
      const isPaper = picture.pixels[at % plane]! > 0.99 && value > 0.97;
      const drift = drifts[Math.floor(at / plane)]!(x, y);
      return clamp(value + (isPaper ? 0.03 : 0.2) * drift, -1, 1);
    }),
  };
};

/** Shapes bend by up to `share` of the side, smoothly, as a hand would misdraw them. */
function bendBy(share: number): Corruption {
  return ({ size, pixels }, random) => {
    const [dx, dy] = [smoothField(random, 4), smoothField(random, 4)];
    const out = new Float32Array(pixels.length);
    for (let at = 0; at < out.length; at++) {
      const x = at % size;
      const y = Math.floor(at / size) % size;
      const u = x + dx(x / size, y / size) * share * size;
      const v = y + dy(x / size, y / size) * share * size;
      const from = at - y * size - x;
      out[at] = readAt(pixels, size, from, u, v);
    }
    return { size, pixels: out };
  };
}

/** A plane's value between pixels; white outside. */
function readAt(pixels: Float32Array, size: number, from: number, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const value = (column: number, row: number): number =>
    column < 0 || row < 0 || column >= size || row >= size
      ? 1
      : pixels[from + row * size + column]!;
  const upper = mix(value(left, top), value(left + 1, top), x - left);
  const lower = mix(value(left, top + 1), value(left + 1, top + 1), x - left);
  return mix(upper, lower, y - top);
}

/** Turns hues by up to 20 degrees and changes saturation and lightness a little. */
const tint: Corruption = ({ size, pixels }, random) => {
  const angle = (random.between(-20, 20) * Math.PI) / 180;
  const saturation = random.between(0.75, 1.2);
  const gamma = random.between(0.85, 1.2);
  const [cos, sin] = [Math.cos(angle) * saturation, Math.sin(angle) * saturation];
  const plane = size * size;
  const out = new Float32Array(pixels.length);
  for (let at = 0; at < plane; at++) {
    const [r, g, b] = [0, 1, 2].map((channel) => (pixels[at + channel * plane]! + 1) / 2);
    const y = Math.max(0, 0.299 * r! + 0.587 * g! + 0.114 * b!);
    const i = 0.596 * r! - 0.274 * g! - 0.322 * b!;
    const q = 0.211 * r! - 0.523 * g! + 0.312 * b!;
    const [light, u, v] = [y ** gamma, i * cos - q * sin, i * sin + q * cos];
    out[at] = clamp(light + 0.956 * u + 0.621 * v, 0, 1) * 2 - 1;
    out[at + plane] = clamp(light - 0.272 * u - 0.647 * v, 0, 1) * 2 - 1;
    out[at + 2 * plane] = clamp(light - 1.106 * u + 1.703 * v, 0, 1) * 2 - 1;
  }
  return { size, pixels: out };
};

/** A patch of a fifth of the side takes the colour of some other place. */
const patch: Corruption = ({ size, pixels }, random) => {
  const out = pixels.slice();
  const side = Math.round(size / 5);
  const corner = (): number => Math.round(size * random.between(0.2, 0.6));
  const [left, top, x, y] = [corner(), corner(), corner(), corner()];
  for (let plane = 0; plane < pixels.length; plane += size * size) {
    const value = pixels[plane + y * size + x]!;
    for (let row = top; row < top + side; row++) {
      out.fill(value, plane + row * size + left, plane + row * size + left + side);
    }
  }
  return { size, pixels: out };
};

function inTurn(...steps: readonly Corruption[]): Corruption {
  return (picture, random) => steps.reduce((made, step) => step(made, random), picture);
}

/** From what training does to what a poor generator does. All start with a new place and size. */
export const corruptions = {
  placed: place,
  blurred: inTurn(place, blurBy(2)),
  noisy: inTurn(place, noiseOf(0.15)),
  tinted: inTurn(place, tint),
  smoothed: inTurn(place, smoothAndDrift),
  bent: inTurn(place, bendBy(0.08)),
  patched: inTurn(place, patch, patch),
  misdrawn: inTurn(place, bendBy(0.12), tint, patch, smoothAndDrift, noiseOf(0.05)),
} as const satisfies Record<string, Corruption>;

export type CorruptionName = keyof typeof corruptions;
