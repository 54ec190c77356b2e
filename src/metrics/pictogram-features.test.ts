import { describe, expect, it } from 'vitest';
import { DataRandom } from '../data/shuffle.js';
import { cropForeground } from './foreground.js';
import { orientedGradients } from './oriented-gradients.js';
import { featureBlocks, pictogramFeatures } from './pictogram-features.js';
import { mirrored, type PlanarPicture, planarPicture } from './planar-picture.js';

type Rgb = readonly [number, number, number];
type Inside = (x: number, y: number) => boolean;

const red: Rgb = [1, -1, -1];
const blue: Rgb = [-1, -0.6, 1];

/** White but for the points (0 to 1) inside a shape; edges averaged over 4x4 points. */
function draw(inside: Inside, rgb: Rgb = red, size = 128): PlanarPicture {
  const pixels = new Float32Array(3 * size * size);
  for (let at = 0; at < size * size; at++) {
    const [x, y] = [at % size, Math.floor(at / size)];
    let covered = 0;
    for (let part = 0; part < 16; part++) {
      const [u, v] = [x + (part % 4) / 4 + 0.125, y + (part >> 2) / 4 + 0.125];
      if (inside(u / size, v / size)) covered += 1 / 16;
    }
    for (const [channel, value] of rgb.entries()) {
      pixels[channel * size * size + at] = 1 + covered * (value - 1);
    }
  }
  return { size, pixels };
}

const disc =
  (cx: number, cy: number, r: number): Inside =>
  (x, y) =>
    Math.hypot(x - cx, y - cy) < r;
const bar =
  (left: number, top: number, width: number, height: number): Inside =>
  (x, y) =>
    x > left && x < left + width && y > top && y < top + height;
const flag: Inside = (x, y) => bar(0.2, 0.1, 0.06, 0.8)(x, y) || bar(0.2, 0.1, 0.5, 0.3)(x, y);

function apart(a: PlanarPicture, b: PlanarPicture): Record<string, number> {
  const [first, second] = [pictogramFeatures(a), pictogramFeatures(b)];
  return Object.fromEntries(
    featureBlocks.map((block) => [
      block,
      Math.hypot(...first[block].map((value, at) => value - second[block][at]!)),
    ]),
  );
}

describe('cropForeground', () => {
  it('finds a shape wherever it lies, keeps its aspect, centres it', () => {
    const { mask, aspect } = cropForeground(draw(bar(0.5, 0.25, 0.25, 0.5)), 32);
    expect(aspect).toBeCloseTo(0.5, 1);
    const covered = (x: number, y: number): number => mask[y * 32 + x]!;
    expect([covered(16, 16), covered(16, 3), covered(16, 28)]).toEqual([1, 1, 1]);
    expect([covered(2, 16), covered(29, 16)]).toEqual([0, 0]);
  });

  it('is not led astray by a speck or by faint noise', () => {
    const clean = draw(disc(0.5, 0.5, 0.2));
    const random = DataRandom.from(1);
    const pixels = clean.pixels.map((value) => value + random.between(-0.05, 0.05));
    for (let plane = 0; plane < 3; plane++) pixels[plane * 128 * 128 + 129] = -1;
    const crop = cropForeground({ size: 128, pixels }, 32);
    expect(crop.mask[16 * 32 + 4]).toBeGreaterThan(0.9);
    expect(crop.mask[0]).toBeLessThan(0.2);
  });

  it('takes a blank picture whole', () => {
    const { mask, aspect } = cropForeground(
      draw(() => false),
      32,
    );
    expect(aspect).toBe(1);
    expect(Math.max(...mask)).toBe(0);
  });
});

describe('orientedGradients', () => {
  const side = 16;
  const ramp = (step: Inside): Float32Array =>
    Float32Array.from({ length: side * side }, (_, at) =>
      step(at % side, Math.floor(at / side)) ? 1 : 0,
    );

  it('tells upright from level edges, whichever side is dark', () => {
    const [upright, turned, level] = [
      ramp((x) => x < 8),
      ramp((x) => x >= 8),
      ramp((_, y) => y < 8),
    ].map((plane) => orientedGradients(plane, side, 4));
    expect(upright).toHaveLength(9 * 4 * 9);
    expect(upright).toEqual(turned);
    const product = upright!.reduce((sum, value, at) => sum + value * level![at]!, 0);
    expect(product).toBe(0);
    expect(Math.max(...upright!)).toBeCloseTo(0.2, 6);
  });

  it('has the strongest plane vote, and nothing where nothing changes', () => {
    const steep = ramp((x) => x < 8);
    const both = new Float32Array(2 * side * side);
    both.set(steep.map((value) => value * 0.1));
    both.set(steep, side * side);
    expect(orientedGradients(both, side, 4)).toEqual(orientedGradients(steep, side, 4));
    expect(Math.max(...orientedGradients(new Float32Array(256).fill(3), side, 4))).toBe(0);
  });
});

describe('pictogramFeatures', () => {
  it('forgets place and size, but neither shape nor colour', () => {
    const original = draw(disc(0.4, 0.45, 0.35));
    const moved = apart(original, draw(disc(0.6, 0.5, 0.3)));
    const recoloured = apart(original, draw(disc(0.4, 0.45, 0.35), blue));
    const reshaped = apart(original, draw(bar(0.1, 0.15, 0.7, 0.6)));
    expect(recoloured.layout).toBeGreaterThan(5 * moved.layout!);
    expect(recoloured.colours).toBeGreaterThan(5 * moved.colours!);
    expect(reshaped.edges).toBeGreaterThan(2 * moved.edges!);
    expect(reshaped.silhouette).toBeGreaterThan(3 * moved.silhouette!);
  });

  it('gives the same for a picture of another size', () => {
    const small = apart(draw(flag), draw(flag, red, 64));
    const other = apart(draw(flag), draw(disc(0.5, 0.5, 0.4)));
    for (const block of ['layout', 'edges', 'silhouette']) {
      expect(small[block]).toBeLessThan(0.35 * other[block]!);
    }
  });

  it('is finite for blank, black and overshooting pictures', () => {
    for (const level of [-3, -1, 0, 1, 3]) {
      const pixels = new Float32Array(3 * 64 * 64).fill(level);
      const features = pictogramFeatures({ size: 64, pixels });
      for (const block of featureBlocks) {
        expect(features[block].every(Number.isFinite), `${block} at ${level}`).toBe(true);
      }
    }
  });

  it('shares of colours add up to one', () => {
    const { colours } = pictogramFeatures(draw(flag, blue));
    expect(colours.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 4);
  });

  it('refuses planes that do not fit or hold no numbers', () => {
    const short = { size: 64, pixels: new Float32Array(64) };
    expect(() => pictogramFeatures(short)).toThrow(
      /expected finite values \[3, 64, 64\].*64 values/,
    );
    const broken = { size: 64, pixels: new Float32Array(3 * 64 * 64) };
    broken.pixels[77] = Number.NaN;
    expect(() => pictogramFeatures(broken)).toThrow(/not finite/);
  });
});

describe('planar pictures', () => {
  it('come from bytes and turn left to right', () => {
    const data = Uint8Array.from({ length: 8 * 8 * 3 }, (_, at) => at);
    const picture = planarPicture({ width: 8, height: 8, channels: 3, data });
    expect(picture.pixels[0]).toBe(-1);
    expect(picture.pixels[64 + 1]).toBeCloseTo(4 / 127.5 - 1, 6);
    const turned = mirrored(picture);
    expect(turned.pixels[7]).toBe(picture.pixels[0]);
    expect(mirrored(turned).pixels).toEqual(picture.pixels);
  });

  it('refuse what is not a square with three channels', () => {
    const wide = { width: 4, height: 2, channels: 3 as const, data: new Uint8Array(24) };
    expect(() => planarPicture(wide)).toThrow(/expected a square picture.*4x2x3/);
  });
});
