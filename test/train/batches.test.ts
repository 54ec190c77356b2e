/** @file What the autoencoder and the CLIP pair are shown: crops of the samples, captions with their pictures. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TensorData } from '../../src/core/tensor-data.js';
import { PictogramDataset } from '../../src/data/pictograms.js';
import { readTokenizerFolder } from '../../src/hub/tokenizer-folder.js';
import { autoencoderBatch } from '../../src/train/autoencoder.js';
import { clipBatch } from '../../src/train/clip.js';
import { readAutoencoderTraining, readClipTraining } from '../../src/train/configuration.js';
import { TinySet, tinyAutoencoder, tinyClip, tinyTokens } from './tiny-set.js';

let set: TinySet;
beforeAll(async () => {
  set = await TinySet.create();
});
afterAll(() => set[Symbol.dispose]());

const floats = (batch: ReadonlyMap<string, TensorData>, name: string): Float32Array =>
  batch.get(name)!.data as Float32Array;

it('crops two squares out of each picture', () => {
  const config = readAutoencoderTraining({ ...tinyAutoencoder(set), crop_size: 48 });
  using data = PictogramDataset.open(set.data);
  const batch = autoencoderBatch(data, config, 6, 4);
  const [crop, whole] = [48, data.size];
  const corners = new Set<string>();
  for (let i = 0; i < 4; i++) {
    const pixels = floats(batch, 'pixels').subarray(i * 3 * crop * crop, (i + 1) * 3 * crop * crop);
    const picture = data.sampleAt((6 + i) >> 1, config.run.seed).pixels;
    const isAt = (left: number, top: number): boolean => {
      for (let row = 0; row < 3 * crop; row++) {
        const [channel, y] = [Math.floor(row / crop), row % crop];
        for (let x = 0; x < crop; x++) {
          const from = (channel * whole + top + y) * whole + left + x;
          if (pixels[row * crop + x] !== picture[from]) return false;
        }
      }
      return true;
    };
    const places = Array.from({ length: (whole - crop + 1) ** 2 }, (_, at) => [
      at % (whole - crop + 1),
      Math.floor(at / (whole - crop + 1)),
    ]);
    const place = places.find(([left, top]) => isAt(left!, top!));
    expect(place).toBeDefined();
    corners.add(`${place}`);
  }
  expect(corners.size).toBe(4);
  const noise = floats(batch, 'noise');
  expect(noise).toHaveLength(4 * 4 * 6 * 6);
  expect(noise.reduce((sum, value) => sum + value * value, 0) / noise.length).toBeCloseTo(1, 0);
  const still = autoencoderBatch(data, { ...config, latentNoise: 0 }, 6, 4);
  expect(floats(still, 'noise').every((value) => value === 0)).toBe(true);
});

it('puts each caption beside its picture', async () => {
  const config = readClipTraining(tinyClip(set));
  const tokenizer = await readTokenizerFolder(set.tokenizer);
  using data = PictogramDataset.open(set.data, { size: 64 });
  const batch = clipBatch(data, config, tokenizer, 20, 3);
  for (let i = 0; i < 3; i++) {
    const { pixels, caption } = data.sampleAt(20 + i, config.run.seed);
    const each = pixels.length;
    expect(floats(batch, 'pixels').subarray(i * each, (i + 1) * each)).toEqual(pixels);
    const ids = (batch.get('ids')!.data as BigInt64Array).subarray(
      i * tinyTokens,
      (i + 1) * tinyTokens,
    );
    const expected = tokenizer.encodePrompt(caption, { maxLength: tinyTokens }).ids;
    expect([...ids].map(Number)).toEqual([...expected]);
    const eos = Number((batch.get('eosPosition')!.data as BigInt64Array)[i]);
    expect(eos).toBe([...expected].indexOf(tokenizer.eosId));
    expect(eos).toBeGreaterThan(0);
  }
});
