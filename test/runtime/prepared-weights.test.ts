/** @file Prepared weights: made once, mapped afterwards, missed when a source changes, given up without harm. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { floatTensor, numberToF16, type TensorData } from '../../src/core/tensor-data.js';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { add, conv2d, matmul, transpose } from '../../src/graph/build.js';
import { type Graph, input, parameter } from '../../src/graph/tensor.js';
import { readWeightFile } from '../../src/hub/weight-file.js';
import { channelBlock } from '../../src/runtime/channel-block.js';
import { Engine } from '../../src/runtime/engine.js';
import { type PreparedSettings, preparedSettings } from '../../src/runtime/prepared-settings.js';
import { preparedUsage } from '../../src/runtime/prepared-store.js';
import { values } from '../graph/case.js';
import { relativeError } from '../graph/losses.js';

const top = mkdtempSync(join(tmpdir(), 'maliang prepared 画-'));
const source = join(top, 'weights.safetensors');
let settings: PreparedSettings;
let count = 0;

const numbers = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from(values(shape, 'any', seed));
function writeSource(scale = 1): void {
  const linear = numbers([4, 4], 2).map((value) => value * scale);
  writeFileSync(
    source,
    writeSafetensors([
      ['conv', floatTensor(numbers([4, 4, 3, 3], 1), [4, 4, 3, 3])],
      ['half', { dtype: 'f16', shape: [4, 4], data: Uint16Array.from(linear, numberToF16) }],
    ]),
  );
}

beforeEach(() => {
  const folder = join(top, `cache ${count++}`);
  settings = { folder, limitBytes: 1e9, fromBytes: 0, partBytes: 0 };
  writeSource();
});
afterAll(() => {
  rmSync(top, { recursive: true });
});

/** A Winograd transform, and a conversion behind a linear layer. */
function model(): Graph {
  const x = input('x', [1, 4, 6, 6]);
  const y = conv2d(x, parameter('conv', [4, 4, 3, 3]), undefined, { padding: 1 });
  const z = matmul(input('v', [2, 4]), transpose(parameter('half', [4, 4]), [1, 0]));
  return new Map([
    ['y', y],
    ['z', add(z, 1)],
  ]);
}
const feeds = new Map<string, TensorData>([
  ['x', floatTensor(numbers([1, 4, 6, 6], 3), [1, 4, 6, 6])],
  ['v', floatTensor(numbers([2, 4], 4), [2, 4])],
]);

/** Outputs as bytes, and the warnings of loading. */
async function draw(
  prepared: PreparedSettings | 'off' = settings,
  rewrites: 'all' | 'faster' = 'all',
): Promise<{ bytes: string; warnings: readonly string[] }> {
  await using engine = Engine.start({ threads: 1, rewrites, prepared });
  const { tensors } = await readWeightFile(source);
  const session = await engine.load(model(), { weights: tensors });
  const outputs = await session.run(feeds);
  const bytes = ['y', 'z'].map((name) => (outputs.get(name)!.data as Float32Array).join());
  return { bytes: bytes.join('\n'), warnings: session.warnings };
}

const filesOf = (folder: string): string[] => readdirSync(folder).sort();
const timesOf = (folder: string): number[] =>
  filesOf(folder).map((name) => statSync(join(folder, name)).birthtimeMs);

it('convolutions with weights in blocks of channels give what they give without', async () => {
  const width = 32;
  const shapes = { wide: [width, width, 1, 1], down: [width, width, 3, 3] };
  const entries = Object.entries(shapes).map(
    ([name, shape], i) => [name, floatTensor(numbers(shape, 5 + i), shape)] as const,
  );
  writeFileSync(source, writeSafetensors(entries));
  const { tensors } = await readWeightFile(source);
  const x = input('x', [2, width, 6, 5]);
  const wide = conv2d(x, parameter('wide', shapes.wide));
  const y = conv2d(wide, parameter('down', shapes.down), undefined, { stride: 2, padding: 1 });
  const given = new Map([['x', floatTensor(numbers(x.shape, 7), x.shape)]]);
  const results = [];
  for (const prepared of [settings, settings, 'off'] as const) {
    await using engine = Engine.start({ threads: 1, rewrites: 'faster', prepared });
    const session = await engine.load(new Map([['y', y]]), { weights: tensors });
    results.push((await session.run(given)).get('y')!.data as Float32Array);
  }
  const block = await channelBlock();
  expect(existsSync(settings.folder) ? filesOf(settings.folder).length : 0).toBe(block ? 2 : 0);
  const [first, second, without] = results;
  expect(second).toEqual(first);
  expect(relativeError(Float64Array.from(first!), Float64Array.from(without!))).toBeLessThan(1e-6);
});

describe('what is kept', () => {
  it('is made once, one file a tensor, and gives the same bytes as without', async () => {
    const first = await draw();
    expect(first.warnings).toEqual([]);
    const made = filesOf(settings.folder);
    expect(made.length).toBe(2);
    expect(made.every((name) => /^[0-9a-f]{40}\.safetensors$/.test(name))).toBe(true);
    expect((await preparedUsage(settings.folder)).files).toBe(2);
    const born = timesOf(settings.folder);
    const second = await draw();
    expect(filesOf(settings.folder)).toEqual(made);
    expect(timesOf(settings.folder)).toEqual(born);
    const without = await draw('off');
    expect([second.bytes, without.bytes]).toEqual([first.bytes, first.bytes]);
  });

  it('is read: another content draws another result', async () => {
    const { bytes } = await draw();
    for (const name of filesOf(settings.folder)) {
      const path = join(settings.folder, name);
      const content = readFileSync(path);
      writeFileSync(path, content.fill(0, content.length - 64));
    }
    expect((await draw()).bytes).not.toBe(bytes);
  });

  it('is made anew when a source changes, though its size does not', async () => {
    await draw();
    const { mtime, atime } = statSync(source);
    writeSource(2);
    utimesSync(source, atime, mtime);
    const changed = await draw();
    expect(filesOf(settings.folder).length).toBe(4);
    expect(changed.bytes).toBe((await draw('off')).bytes);
  });

  it('is made anew when its file is damaged or was never finished', async () => {
    const { bytes } = await draw();
    const [name] = filesOf(settings.folder) as [string];
    truncateSync(join(settings.folder, name), 100);
    writeFileSync(join(settings.folder, `${name}.123-0.partial`), 'half');
    expect(await draw()).toEqual({ bytes, warnings: [] });
    expect(filesOf(settings.folder).some((one) => one.endsWith('.partial'))).toBe(false);
  });

  it('is shared by two processes that make it at the same time', async () => {
    const [a, b] = await Promise.all([draw(), draw()]);
    expect(a).toEqual(b);
    expect(filesOf(settings.folder).length).toBe(2);
  });
});

describe('limits', () => {
  it('removes files used least recently, never those of the load itself', async () => {
    await draw();
    const old = filesOf(settings.folder);
    for (const name of old) utimesSync(join(settings.folder, name), 1, 1);
    writeSource(3);
    const { bytes } = await preparedUsage(settings.folder);
    await draw({ ...settings, limitBytes: bytes });
    const left = filesOf(settings.folder);
    expect(left.length).toBe(2);
    expect(left.some((name) => old.includes(name))).toBe(false);
  });

  it('goes on with a warning when one model is more than the limit, or nothing can be written', async () => {
    const { bytes } = await draw('off');
    const small = await draw({ ...settings, limitBytes: 100 });
    expect(small.bytes).toBe(bytes);
    expect(small.warnings.join()).toMatch(/not kept.*MALIANG_PREPARED_GB/);
    expect(existsSync(settings.folder)).toBe(false);
    writeFileSync(join(top, 'a file'), '');
    const blocked = await draw({ ...settings, folder: join(top, 'a file', 'prepared') });
    expect(blocked.bytes).toBe(bytes);
    expect(blocked.warnings.join()).toMatch(/not kept.*a file.*ENOTDIR/);
  });

  it('keeps nothing of models below the size from which it is worth it', async () => {
    await draw({ ...settings, fromBytes: 1e6 }, 'faster');
    expect(existsSync(settings.folder)).toBe(false);
    await draw(settings, 'faster'); // the conversion alone: so small a convolution is not rewritten
    expect(filesOf(settings.folder).length).toBe(1);
  });
});

describe('settings', () => {
  it('come from the environment', () => {
    const home = process.platform === 'win32' ? {} : { HOME: '/home/a' };
    expect(preparedSettings({ ...home, XDG_CACHE_HOME: '/caches' })).toMatchObject({
      folder: '/caches/maliang/prepared',
      limitBytes: 20e9,
      fromBytes: 256e6,
    });
    expect(preparedSettings({ MALIANG_CACHE: '/c', MALIANG_PREPARED_GB: '0.5' })).toMatchObject({
      folder: '/c/prepared',
      limitBytes: 5e8,
    });
    expect(preparedSettings({ MALIANG_PREPARED: 'off' })).toBeUndefined();
    for (const env of [{ MALIANG_PREPARED: 'no' }, { MALIANG_PREPARED_GB: 'lots' }]) {
      expect(() => preparedSettings(env)).toThrow(/MALIANG_PREPARED/);
    }
  });
});
