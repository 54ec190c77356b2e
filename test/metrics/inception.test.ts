/** @file FID's Inception-v3 from a weight file, pictures and all, against torch-fidelity with both resize rules. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { referenceWeight } from '../../src/core/reference-weights.js';
import { floatTensor, type TensorData } from '../../src/core/tensor-data.js';
import { encodePng } from '../../src/formats/png.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { evaluateFolders } from '../../src/metrics/evaluate-folders.js';
import { FeatureExtractor } from '../../src/metrics/feature-extractor.js';
import { openFeatureNetwork } from '../../src/metrics/feature-network.js';
import { Engine } from '../../src/runtime/engine.js';
import { requireFreshBuild } from '../package/fresh-build.js';
import { floatsOf, readFixture } from './figures.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const parameters = new URL('../fixtures/models/inception-fid/parameters.txt', import.meta.url);
const fixture = readFixture<{
  readonly height: number;
  readonly width: number;
  readonly picture: string;
  readonly legacy: Record<'pool' | 'logitsUnbiased', string>;
  readonly clean: Record<'pool' | 'logitsUnbiased', string>;
}>('inception');
const picture = {
  ...{ width: fixture.width, height: fixture.height, channels: 3 as const },
  data: new Uint8Array(Buffer.from(fixture.picture, 'base64')),
};

let place: string;
let file: string;
beforeAll(() => {
  requireFreshBuild();
  place = mkdtempSync(join(tmpdir(), 'maliang-inception-'));
  file = join(place, 'inception.safetensors');
  const lines = readFileSync(parameters, 'utf8').trim().split('\n');
  const tensors = new Map<string, TensorData>(
    lines.map((line) => {
      const [name, sizes] = line.split(' ') as [string, string];
      const shape = sizes.split(',').map(Number);
      return [name, floatTensor(referenceWeight(name, shape), shape)];
    }),
  );
  // Published files count the batches of training; nothing reads that.
  const counter = { dtype: 'i64', shape: [], data: BigInt64Array.of(0n) } as const;
  tensors.set('Conv2d_1a_3x3.bn.num_batches_tracked', counter);
  writeFileSync(file, writeSafetensors(tensors));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

function expectClose(actual: Float32Array | Float64Array, text: string): void {
  const expected = floatsOf(text);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  const errors = Array.from(expected, (value, i) => Math.abs(value - actual[i]!));
  expect(actual).toHaveLength(expected.length);
  expect(Math.max(...errors)).toBeLessThanOrEqual(1e-4 * scale);
}

describe('at its own size', () => {
  it.each(['legacy', 'clean'] as const)('%s', async (resize) => {
    const network = await openFeatureNetwork(file);
    expect(network).toMatchObject({
      kind: 'inception',
      size: 2048,
      classes: 1008,
      resize: 'clean',
    });
    await using engine = Engine.start({ threads: 1 });
    await using extractor = await FeatureExtractor.load(engine, network, { resize, batch: 1 });
    const { features, logits } = await extractor.extract([extractor.prepare(picture)]);
    expectClose(features.data, fixture[resize].pool);
    expectClose(logits!.data, fixture[resize].logitsUnbiased);
  });
});

it('gives FID, KID, precision and recall and the inception score, and refuses CLIP’s metrics', async () => {
  const folder = join(place, 'pictures');
  mkdirSync(folder);
  for (let i = 0; i < 4; i++) {
    const data = picture.data.map((value, at) => (value * (i + 1) + at) % 256);
    writeFileSync(join(folder, `${i}.png`), encodePng({ ...picture, data }));
  }
  const options = { real: folder, fake: folder, features: file, threads: 1, bootstrap: 5 };
  const { figures, resize, features } = await evaluateFolders(options);
  const names = ['fid', 'kid', 'precision', 'recall', 'density', 'coverage', 'inception-score'];
  expect(figures.map(({ name }) => name)).toEqual(names);
  expect(resize).toBe('clean');
  expect(features.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(figures[0]!.value).toBeLessThan(1e-6);
  expect(figures.at(-1)!.samples).toEqual({ fake: 4 });
  for (const metric of ['cmmd', 'clip'] as const) {
    await expect(evaluateFolders({ ...options, metrics: [metric] })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('expected fid, kid, pr, is on inception features'),
    });
  }
});

it('refuses files of something else, and damaged ones', async () => {
  const other = join(place, 'other.safetensors');
  const tensors = new Map([['a', floatTensor(new Float32Array(1), [1])]]);
  writeFileSync(other, writeSafetensors(tensors));
  await expect(openFeatureNetwork(other)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  const first = 'Conv2d_1a_3x3.conv.weight';
  const part = floatTensor(new Float32Array(32 * 27), [32, 3, 3, 3]);
  writeFileSync(other, writeSafetensors(new Map([[first, part]])));
  await expect(openFeatureNetwork(other)).rejects.toMatchObject({
    code: 'WEIGHTS',
    message: expect.stringContaining('471 of 472 missing'),
  });
  writeFileSync(other, new Uint8Array(20));
  await expect(openFeatureNetwork(other)).rejects.toMatchObject({ code: 'SAFETENSORS' });
  await expect(openFeatureNetwork(join(place, 'nothing'))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
});
