/** @file Resizing, blur and grey to the byte, against values of tools/reference/make_pictures.py. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { crop, gaussianBlur, luminance, type Raster, resample } from './resample.js';

interface Packed extends Omit<Raster, 'data'> {
  data: string;
}
interface Row {
  operation: string;
  in: Packed;
  out: Packed;
  kernel: 'lanczos' | 'bicubic';
  box?: [number, number, number, number];
  radius: number;
}

const url = new URL('../../test/fixtures/pictures.json', import.meta.url);
const { rows } = JSON.parse(readFileSync(url, 'utf8')) as { rows: Row[] };
const unpack = ({ data, ...size }: Packed): Raster => ({
  ...size,
  data: new Uint8Array(Buffer.from(data, 'base64')),
});

const operations: Readonly<Record<string, (image: Raster, row: Row) => Raster>> = {
  resample: (image, { out: { width, height }, kernel, box }) =>
    resample(image, { width, height, kernel, ...(box && { box }) }),
  blur: (image, { radius }) => gaussianBlur(image, radius),
  grey: (image) => luminance(image),
};

it.each(Object.keys(operations))('%s gives the bytes of Pillow', (operation) => {
  const own = rows.filter((row) => row.operation === operation);
  expect(own.length).toBeGreaterThan(4);
  for (const row of own)
    expect(operations[operation]!(unpack(row.in), row)).toEqual(unpack(row.out));
});

it('crops beyond the picture into black, and refuses boxes without an extent', () => {
  const image = { width: 2, height: 1, channels: 1, data: Uint8Array.of(5, 6) };
  expect([...crop(image, [-1, 0, 2, 2]).data]).toEqual([0, 5, 6, 0, 0, 0]);
  expect(() => crop(image, [1, 0, 1, 1])).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: crop: expected a box with an extent, got 0x1. Convert it to PNG, JPEG or WebP within the limits the message gives.]`,
  );
});
