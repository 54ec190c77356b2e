/** @file Compositing: exact at scale one, mirrored, cut at the edge, and like libvips when shrinking. */
import { describe, expect, it } from 'vitest';
import { resizeImage } from '../formats/image.js';
import { blankCanvas, drawPicture, toSignedUnit } from './compositing.js';
import { DataRandom } from './shuffle.js';

/** A random premultiplied picture, smooth enough to resample. */
function picture(size: number, isOpaque: boolean): Uint8Array {
  const random = DataRandom.from(size);
  const [u, v, w] = [random.between(2, 5), random.between(2, 5), random.between(1, 3)];
  const data = new Uint8Array(size * size * 4);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [s, t] = [(x / size) * 2 * Math.PI, (y / size) * 2 * Math.PI];
      const alpha = isOpaque ? 1 : 0.5 + 0.5 * Math.sin(w * (s + t));
      const waves = [Math.sin(u * s), Math.cos(v * t), Math.sin(u * s + v * t)];
      waves.forEach((wave, c) => {
        data[(y * size + x) * 4 + c] = Math.round(127.5 * (1 + wave) * alpha);
      });
      data[(y * size + x) * 4 + 3] = Math.round(255 * alpha);
    }
  }
  return data;
}

const at = (data: Float32Array, size: number, c: number, y: number, x: number): number =>
  data[(c * size + y) * size + x]!;

describe('drawPicture', () => {
  it('is exact at scale one, over white and over a colour', () => {
    const source = picture(16, false);
    for (const rgb of [[255, 255, 255] as const, [60, 120, 216] as const]) {
      const canvas = blankCanvas(16, rgb);
      drawPicture(canvas, source, 16, { left: 0, top: 0, side: 16, isMirrored: false });
      for (let y = 0; y < 16; y++) {
        for (let x = 0; x < 16; x++) {
          const from = (y * 16 + x) * 4;
          for (let c = 0; c < 3; c++) {
            const expected = source[from + c]! + rgb[c]! * (1 - source[from + 3]! / 255);
            expect(at(canvas.data, 16, c, y, x)).toBeCloseTo(expected, 3);
          }
        }
      }
    }
  });

  it('mirrors left to right, also between pixels', () => {
    const source = picture(32, false);
    for (const [left, side] of [
      [0, 24],
      [1.3, 20.4],
      [0, 32],
    ] as const) {
      const plain = blankCanvas(24, [9, 99, 199]);
      const mirrored = blankCanvas(24, [9, 99, 199]);
      drawPicture(plain, source, 32, { left, top: 0.5, side, isMirrored: false });
      drawPicture(mirrored, source, 32, {
        left: 24 - left - side,
        top: 0.5,
        side,
        isMirrored: true,
      });
      for (let y = 0; y < 24; y++) {
        for (let x = 0; x < 24; x++) {
          expect(at(mirrored.data, 24, 1, y, 23 - x)).toBeCloseTo(at(plain.data, 24, 1, y, x), 2);
        }
      }
    }
  });

  it('shrinks like the linear kernel of libvips', async () => {
    const source = picture(128, true);
    for (const side of [96, 64, 37]) {
      const canvas = blankCanvas(side, [255, 255, 255]);
      drawPicture(canvas, source, 128, { left: 0, top: 0, side, isMirrored: false });
      const peer = await resizeImage(
        { width: 128, height: 128, channels: 4, data: source },
        { width: side, height: side, kernel: 'linear' },
      );
      let worst = 0;
      for (let y = 3; y < side - 3; y++) {
        for (let x = 3; x < side - 3; x++) {
          for (let c = 0; c < 3; c++) {
            const expected = peer.data[(y * side + x) * 4 + c]!;
            worst = Math.max(worst, Math.abs(at(canvas.data, side, c, y, x) - expected));
          }
        }
      }
      expect(worst).toBeLessThan(4);
    }
  });

  it('keeps the mean colour of an opaque box at any place and size', () => {
    const source = new Uint8Array(64 * 64 * 4).fill(255);
    for (const side of [10, 23.7, 40]) {
      const canvas = blankCanvas(64, [0, 0, 0]);
      drawPicture(canvas, source, 64, { left: 7.25, top: 11.6, side, isMirrored: true });
      const covered = canvas.data.subarray(0, 64 * 64).reduce((sum, value) => sum + value, 0) / 255;
      expect(covered / (side * side)).toBeGreaterThan(0.97);
      expect(covered / (side * side)).toBeLessThan(1.03);
      expect(Math.max(...canvas.data)).toBeLessThanOrEqual(255.01);
    }
  });

  it('cuts what falls outside and leaves the rest of the canvas alone', () => {
    const source = picture(32, true);
    const canvas = blankCanvas(20, [1, 2, 3]);
    drawPicture(canvas, source, 32, { left: -5, top: 14, side: 12, isMirrored: false });
    expect(at(canvas.data, 20, 0, 5, 5)).toBe(1);
    expect(at(canvas.data, 20, 2, 16, 15)).toBe(3);
    expect(at(canvas.data, 20, 1, 19, 0)).not.toBe(2);
    drawPicture(canvas, source, 32, { left: 90, top: 0, side: 12, isMirrored: false });
    expect(canvas.data.every(Number.isFinite)).toBe(true);
  });

  it('refuses boxes too small to draw', () => {
    const canvas = blankCanvas(8, [0, 0, 0]);
    const box = { left: 0, top: 0, side: 3, isMirrored: false };
    expect(() => drawPicture(canvas, picture(16, true), 16, box)).toThrow(
      'side 3 is below 4 pixels',
    );
  });
});

it('maps 0 to 255 onto -1 to 1', () => {
  expect([...toSignedUnit(blankCanvas(1, [0, 127.5, 255]))]).toEqual([-1, 0, 1]);
});
