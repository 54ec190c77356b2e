/** @file Pictures side by side in one PNG, to look at while a run goes on. */
import { encodePng } from '../formats/png.js';

/** A [3, size, size] picture in [−1, 1]; values beyond are cut off. */
export type SignedPicture = Float32Array;

/** Tiles equal square pictures row by row with a small gap. */
export function encodeSheet(
  pictures: readonly SignedPicture[],
  size: number,
  columns: number,
): Uint8Array {
  const gap = 2;
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * (size + gap) - gap;
  const height = rows * (size + gap) - gap;
  const data = new Uint8Array(width * height * 3).fill(128);
  pictures.forEach((picture, at) => {
    const left = (at % columns) * (size + gap);
    const top = Math.floor(at / columns) * (size + gap);
    for (let pixel = 0; pixel < size * size; pixel++) {
      const [x, y] = [left + (pixel % size), top + Math.floor(pixel / size)];
      for (let channel = 0; channel < 3; channel++) {
        const value = picture[channel * size * size + pixel]!;
        data[(y * width + x) * 3 + channel] = toByte(value);
      }
    }
  });
  return encodePng({ width, height, channels: 3, data });
}

/** −1..1 to 0..255, rounded half up and clamped. */
function toByte(value: number): number {
  return Math.max(0, Math.min(255, Math.floor((value + 1) * 127.5 + 0.5)));
}
