/** @file Weights are read where they lie: any offset, any float dtype, behind symbolic links. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { numberToBf16, numberToF16, type TensorData } from '../../src/core/tensor-data.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { gather } from '../../src/graph/build.js';
import { emitOnnx } from '../../src/graph/emit.js';
import { input, parameter } from '../../src/graph/tensor.js';
import { readWeightFile } from '../../src/hub/weight-file.js';
import { Engine } from '../../src/runtime/engine.js';
import { weightsInFiles } from '../../src/runtime/weights.js';
import { weightedFeeds, weightedModel } from './slow-model.js';

const n = 3;
const values = [1, -2, 0.5, 4, 0.25, -1, 8, 2, -0.75];
const sums = [13, 0.25, -1.25];
const stored: Record<string, TensorData> = {
  f64: { dtype: 'f64', shape: [n, n], data: Float64Array.from(values) },
  f32: { dtype: 'f32', shape: [n, n], data: Float32Array.from(values) },
  f16: { dtype: 'f16', shape: [n, n], data: Uint16Array.from(values, numberToF16) },
  bf16: { dtype: 'bf16', shape: [n, n], data: Uint16Array.from(values, numberToBf16) },
  f8e4m3fn: {
    dtype: 'f8e4m3fn',
    shape: [n, n],
    data: Uint8Array.of(0x38, 0xc0, 0x30, 0x48, 0x28, 0xb8, 0x50, 0x40, 0xb4),
  },
  f8e5m2: {
    dtype: 'f8e5m2',
    shape: [n, n],
    data: Uint8Array.of(0x3c, 0xc0, 0x38, 0x44, 0x34, 0xbc, 0x48, 0x40, 0xba),
  },
};

let folder: string;
let engine: Engine;

beforeAll(() => {
  // The layout of the Hugging Face cache: names link to blobs in another folder.
  folder = mkdtempSync(join(tmpdir(), 'maliang weights 画-'));
  mkdirSync(join(folder, 'blobs'));
  mkdirSync(join(folder, 'snapshots', 'main'), { recursive: true });
  const odd: TensorData = { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 3) };
  const tensors = new Map([['odd', odd], ...Object.entries(stored)]);
  writeFileSync(join(folder, 'blobs', '41ab'), writeSafetensors(tensors));
  symlinkSync('../../blobs/41ab', join(folder, 'snapshots', 'main', 'model.safetensors'));
  engine = Engine.start({ threads: 1 });
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true });
});

it.each(Object.keys(stored))('%s behind a link', async (name) => {
  const { tensors } = await readWeightFile(join(folder, 'snapshots', 'main', 'model.safetensors'));
  await using session = await engine.load(weightedModel(n), {
    weights: new Map([['w', tensors.get(name)!]]),
  });
  const y = (await session.run(weightedFeeds(n))).get('y')!;
  expect([...(y.data as Float32Array)]).toEqual(sums);
});

it.each(Object.keys(stored))(
  '%s looked up row by row, without a copy of the table where ONNX Runtime can',
  async (name) => {
    const { tensors } = await readWeightFile(
      join(folder, 'snapshots', 'main', 'model.safetensors'),
    );
    const weights = new Map([['w', tensors.get(name)!]]);
    const rows = gather(parameter('w', [n, n]), input('ids', [2], 'i64'));
    const graph = new Map([['rows', rows]]);
    const { bytes } = emitOnnx(graph, { weights: weightsInFiles(weights) });
    const names = Buffer.from(bytes)
      .toString('latin1')
      .match(/Gather|Cast/g);
    const order = name.startsWith('f8') ? ['Cast', 'Gather'] : ['Gather', 'Cast'];
    expect([...new Set(names)]).toEqual(name === 'f32' ? ['Gather'] : order);
    await using session = await engine.load(graph, { weights });
    const ids: TensorData = { dtype: 'i64', shape: [2], data: BigInt64Array.of(2n, 0n) };
    const found = (await session.run(new Map([['ids', ids]]))).get('rows')!;
    expect([...(found.data as Float32Array)]).toEqual([...values.slice(6), ...values.slice(0, 3)]);
  },
);

it('refuses a file that is gone or too short, with its name', async () => {
  const { tensors } = await readWeightFile(join(folder, 'blobs', '41ab'));
  const weight = tensors.get('f32')!;
  const load = (w: typeof weight) =>
    engine.load(weightedModel(n), { weights: new Map([['w', w]]) });
  await expect(load({ ...weight, file: join(folder, 'gone.safetensors') })).rejects.toMatchObject({
    code: 'RUNTIME',
    message: expect.stringContaining('gone.safetensors'),
  });
  const beyond = { ...weight, begin: 4096, end: 4096 + 36 };
  await expect(load(beyond)).rejects.toMatchObject({ code: 'RUNTIME' });
});
