/** @file Prepared pictures to the last bit, against values of tools/reference/make_judge_pictures.py. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { RasterImage } from '../formats/image.js';
import { parseImageProcessor } from './image-processor.js';
import { preprocessPicture } from './preprocess-picture.js';

interface Row extends Omit<RasterImage, 'data'> {
  config: Record<string, unknown>;
  data: string;
  shape: [number, number, number];
  values: string;
}
const url = new URL('../../test/fixtures/judge-pictures.json', import.meta.url);
const { rows } = JSON.parse(readFileSync(url, 'utf8')) as { rows: Row[] };
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

it.each(rows.map((row, i) => [i, row] as const))('gives the values of row %i', async (_, row) => {
  const { config, shape, values, data, ...size } = row;
  const picture = { ...size, data: bytesOf(data) };
  const prepared = await preprocessPicture(picture, parseImageProcessor(config));
  expect([3, prepared.size.height, prepared.size.width]).toEqual(shape);
  expect(prepared.values).toEqual(new Float32Array(bytesOf(values).buffer));
});

it('gives way to other work', async () => {
  const side = 3000;
  const picture = { width: side, height: side, channels: 3, data: new Uint8Array(side * side * 3) };
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await preprocessPicture(picture as RasterImage, parseImageProcessor({}));
  clearInterval(timer);
  expect(longest).toBeLessThan(400);
});

describe('a preprocessor_config.json', () => {
  const read = (json: unknown) => () => parseImageProcessor(json);
  it('is read strictly', () => {
    expect(read({ size: 'big' })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: preprocessor_config.json: expected size with whole numbers from 1 to 16384, got "big". Correct the field the message names.]`,
    );
    expect(read({ size: { longest_edge: 3 } })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: preprocessor_config.json: expected size with height and width, shortest_edge, shortest_edge and longest_edge, or max_height and max_width, got {"longest_edge":3}. Correct the field the message names.]`,
    );
    expect(read({ resample: 6 })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: preprocessor_config.json: expected resample a whole number from 0 to 5, got 6. Correct the field the message names.]`,
    );
    expect(read({ image_std: [1, 0, 1] })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: preprocessor_config.json: expected image_std a number or 3 numbers, not 0, got [1,0,1]. Correct the field the message names.]`,
    );
    expect(read({ image_processor_type: 'ViTImageProcessor' })).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: preprocessor_config.json: expected image_processor_type of CLIPImageProcessor, SiglipImageProcessor, BlipImageProcessor, got "ViTImageProcessor". Maliang does not prepare pictures for this model.]`,
    );
    expect(read({ do_rezise: true })).toThrow(/"do_rezise"/);
  });
});
