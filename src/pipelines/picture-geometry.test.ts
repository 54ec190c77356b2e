/** @file Fitting, crop regions and overlays to the byte, against values of tools/reference/make_pictures.py. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Box, Raster } from '../formats/resample.js';
import { cropRegion } from './crop-region.js';
import { type FitMode, fitPicture } from './fit-picture.js';
import { overlaid } from './overlay.js';

interface Packed extends Omit<Raster, 'data'> {
  data: string;
}
interface Row {
  operation: string;
  in: Packed;
  out: Packed;
  mode: FitMode;
  mask: Packed;
  drawn: Packed;
  box: [number, number, number, number];
}
interface Crop {
  width: number;
  height: number;
  box: Box;
  size: [number, number];
  padding: number;
  region: Box;
}

const url = new URL('../../test/fixtures/pictures.json', import.meta.url);
const { rows, crops } = JSON.parse(readFileSync(url, 'utf8')) as { rows: Row[]; crops: Crop[] };
const unpack = ({ data, ...size }: Packed): Raster => ({
  ...size,
  data: new Uint8Array(Buffer.from(data, 'base64')),
});
const blank = (width: number, height: number): Raster => ({
  width,
  height,
  channels: 1,
  data: new Uint8Array(width * height),
});

it.each(['fill', 'crop'])('%s gives the bytes of diffusers', (mode) => {
  const own = rows.filter((row) => row.operation === 'fit' && row.mode === mode);
  expect(own.length).toBeGreaterThan(3);
  for (const row of own) {
    const out = unpack(row.out);
    expect(fitPicture(unpack(row.in), out, row.mode)).toEqual(out);
  }
});

it('lays a drawn part over its picture as diffusers does', () => {
  const row = rows.find(({ operation }) => operation === 'overlay')!;
  const options = { original: unpack(row.in), mask: unpack(row.mask), box: row.box };
  expect(overlaid(unpack(row.drawn), options)).toEqual(unpack(row.out));
});

it.each(crops)('finds the region of diffusers around %o', (row) => {
  const { width, height, size, padding } = row;
  const [left, top, right, bottom] = row.box;
  const mask = blank(width, height);
  for (let y = top; y < bottom; y++) mask.data.fill(255, y * width + left, y * width + right);
  const region = cropRegion(mask, padding, { width: size[0], height: size[1] });
  expect(region).toEqual(row.region);
});

it('refuses to look around a black mask', () => {
  const look = () => cropRegion(blank(4, 4), 0, { width: 8, height: 8 });
  expect(look).toThrowErrorMatchingInlineSnapshot(
    `[MaliangError: mask: expected something white to draw around, got black everywhere. White parts of a mask are drawn anew, black parts are kept.]`,
  );
});
