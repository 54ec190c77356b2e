/** @file Where the pictures of a sheet lie and how their values become colours. */
import { expect, it } from 'vitest';
import { decodeImage } from '../formats/image.js';
import { encodeSheet } from './sheet.js';

it('tiles row by row with a gap, rounding and clamping', async () => {
  const flat = (r: number, g: number, b: number): Float32Array =>
    Float32Array.from([r, g, b].flatMap((value) => new Array<number>(4).fill(value)));
  const pictures = [flat(-1, 0, 1), flat(2, -7, 0.5), flat(1, 1, 1)];
  pictures[0]![1] = 1; // red of the pixel right of the corner
  const png = encodeSheet(pictures, 2, 2);
  const { width, height, data } = await decodeImage(png, { channels: 3 });
  expect({ width, height }).toEqual({ width: 6, height: 6 });
  const at = (x: number, y: number): number[] => [
    ...data.subarray((y * 6 + x) * 3, (y * 6 + x) * 3 + 3),
  ];
  expect([at(0, 0), at(1, 0), at(0, 1)]).toEqual([
    [0, 128, 255],
    [255, 128, 255],
    [0, 128, 255],
  ]);
  expect([at(4, 0), at(0, 4), at(4, 4), at(2, 2)]).toEqual([
    [255, 0, 191],
    [255, 255, 255],
    [128, 128, 128],
    [128, 128, 128],
  ]);
});
