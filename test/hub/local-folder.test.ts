/** @file Model folders: round trips, shards, variants, links, and every kind of damage. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { TensorData } from '../../src/core/tensor-data.js';
import { readTensor, writeSafetensors } from '../../src/formats/safetensors.js';
import { readComponent, readJson, readModelFolder } from '../../src/hub/local-folder.js';
import {
  writeComponent,
  writeComponentTensors,
  writeModelIndex,
} from '../../src/hub/write-folder.js';

const root = mkdtempSync(join(tmpdir(), 'maliang-hub-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
async function emptyFolder(): Promise<string> {
  const folder = join(root, `${made++}`);
  await mkdir(folder);
  return folder;
}

function vector(...values: readonly number[]): TensorData {
  return { dtype: 'f32', shape: [values.length], data: Float32Array.from(values) };
}
const a = vector(1, 2, 3);
const b = vector(4, 5);

/** A folder with a config and the given files beside it. */
async function component(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await emptyFolder();
  const all = { 'config.json': '{"_class_name":"AutoencoderTiny"}', ...files };
  for (const [name, content] of Object.entries(all)) await writeFile(join(folder, name), content);
  return folder;
}

const shards = {
  'model-00001-of-00002.safetensors': writeSafetensors([['a', a]]),
  'model-00002-of-00002.safetensors': writeSafetensors([['b', b]]),
};
const index = (map: object): string => JSON.stringify({ metadata: {}, weight_map: map });
const goodIndex = index({
  a: 'model-00001-of-00002.safetensors',
  b: 'model-00002-of-00002.safetensors',
});

/** `CODE: message` of a rejected promise, without the path of the temporary folder. */
async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = (await promise.then(
    () => new Error('nothing thrown'),
    (cause: unknown) => cause,
  )) as Error & { code: string };
  return `${error.code}: ${error.message.replaceAll(/\S*maliang-hub-\w+\/\d+/g, '<folder>')}`;
}

describe('writing and reading', () => {
  it('gives back config, tensors and places', async () => {
    const folder = join(await emptyFolder(), 'vae');
    const tensors = new Map([
      ['a', a],
      ['b', b],
    ]);
    const written = {
      library: 'diffusers',
      className: 'AutoencoderTiny',
      config: { latent_channels: 4 },
      metadata: { step: '7' },
    } as const;
    await writeComponentTensors(folder, written, tensors);
    expect((await readdir(folder)).sort()).toEqual([
      'config.json',
      'diffusion_pytorch_model.safetensors',
    ]);
    const found = await readComponent(folder);
    expect(found.className).toBe('AutoencoderTiny');
    expect(found.config).toEqual({ _class_name: 'AutoencoderTiny', latent_channels: 4 });
    expect(Object.fromEntries(found.metadata)).toEqual({ format: 'pt', step: '7' });
    const stored = found.tensors.get('b')!;
    const bytes = new Uint8Array(await readFile(stored.file));
    expect(readTensor(bytes, stored)).toEqual(b);
  });

  it('follows the conventions of transformers', async () => {
    const folder = await emptyFolder();
    const written = { library: 'transformers', className: 'CLIPTextModel', config: {} } as const;
    await writeComponentTensors(folder, written, new Map([['a', a]]));
    const found = await readComponent(folder);
    expect(found.className).toBe('CLIPTextModel');
    expect(found.files).toEqual([join(folder, 'model.safetensors')]);
  });

  it('leaves the old files when a tensor cannot be produced', async () => {
    const folder = await emptyFolder();
    const base = { library: 'diffusers', className: 'X', config: {} } as const;
    await writeComponentTensors(folder, base, new Map([['a', a]]));
    const before = await readFile(join(folder, 'diffusion_pytorch_model.safetensors'));
    const load = (): TensorData => {
      throw new RangeError('no more');
    };
    const failing = { ...base, tensors: new Map([['a', a]]), load };
    await expect(writeComponent(folder, failing)).rejects.toThrow(/no more/);
    expect(await readFile(join(folder, 'diffusion_pytorch_model.safetensors'))).toEqual(before);
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('says where it cannot write, and leaves nothing half-written', async () => {
    const folder = await emptyFolder();
    await mkdir(join(folder, 'diffusion_pytorch_model.safetensors'));
    const parts = { library: 'diffusers', className: 'X', config: {} } as const;
    expect(await messageOf(writeComponentTensors(folder, parts, new Map([['a', a]])))).toMatch(
      /^FILE_WRITE: write <folder>\/diffusion_pytorch_model\.safetensors: expected/,
    );
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe('model_index.json', () => {
  it('lists components and leaves out absent ones and options', async () => {
    const folder = await emptyFolder();
    await writeModelIndex(folder, 'StableDiffusionPipeline', {
      unet: ['diffusers', 'UNet2DConditionModel'],
    });
    const written = JSON.parse(await readFile(join(folder, 'model_index.json'), 'utf8')) as object;
    const more = {
      ...written,
      _diffusers_version: '0.30.0',
      safety_checker: [null, null],
      requires_safety_checker: true,
    };
    await writeFile(join(folder, 'model_index.json'), JSON.stringify(more));
    const model = await readModelFolder(folder);
    expect(model.className).toBe('StableDiffusionPipeline');
    expect([...model.components.values()]).toEqual([
      { name: 'unet', library: 'diffusers', className: 'UNet2DConditionModel' },
    ]);
  });

  it('reads what diffusers wrote', async () => {
    const folder = new URL('../fixtures/pipelines/', import.meta.url);
    const names = (await readdir(folder)).filter((name) =>
      existsSync(new URL(`${name}/model_index.json`, folder)),
    );
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) {
      const model = await readModelFolder(new URL(name, folder).pathname);
      expect(model.className).toMatch(/Pipeline$/);
      expect([...model.components.keys()]).toEqual(expect.arrayContaining(['vae', 'scheduler']));
    }
  });

  it('reads the bare infinities that Python writes, outside of texts only', async () => {
    const file = join(root, 'infinite.json');
    await writeFile(file, '{"low": -Infinity, "high": Infinity, "text": "-Infinity \\" Infinity"}');
    const [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    expect(await readJson(file)).toEqual({ low, high, text: '-Infinity " Infinity' });
  });

  it('refuses names that leave the folder', async () => {
    const folder = await emptyFolder();
    const hostile = '{"_class_name":"P","../unet":["diffusers","UNet2DConditionModel"]}';
    await writeFile(join(folder, 'model_index.json'), hostile);
    expect(await messageOf(readModelFolder(folder))).toMatchInlineSnapshot(
      `"CONFIG: <folder>/model_index.json: expected names of files and folders beside it, got "../unet". The model is damaged or hostile; fetch it again from a source you trust."`,
    );
    await expect(writeModelIndex(folder, 'P', { 'a/b': ['x', 'y'] })).rejects.toThrow(/"a\/b"/);
  });

  it('says what is missing', async () => {
    expect(await messageOf(readModelFolder(join(root, '999')))).toMatchInlineSnapshot(
      `"MODEL_NOT_FOUND: <folder>/model_index.json: expected a model folder with a model_index.json, got nothing there. Give a folder in the diffusers layout, or leave out --model."`,
    );
    expect(await messageOf(readComponent(await emptyFolder()))).toMatchInlineSnapshot(
      `"MODEL_NOT_FOUND: <folder>/config.json: expected a component folder with a config.json, got nothing there. Give a folder in the diffusers layout, or leave out --model."`,
    );
  });
});

describe('weight files', () => {
  it('takes shards by their index', async () => {
    const folder = await component({ ...shards, 'model.safetensors.index.json': goodIndex });
    const found = await readComponent(folder);
    expect([...found.tensors.keys()]).toEqual(['a', 'b']);
    expect(found.files).toHaveLength(2);
    expect(found.tensors.get('b')!.file).toBe(join(folder, 'model-00002-of-00002.safetensors'));
  });

  it.each(['model.safetensors.index.fp16.json', 'model.safetensors.fp16.index.json'])(
    'takes the variant index %s',
    async (name) => {
      const plain = writeSafetensors([['c', a]]);
      const folder = await component({ ...shards, [name]: goodIndex, 'model.safetensors': plain });
      const found = await readComponent(folder, { variant: 'fp16' });
      expect([...found.tensors.keys()]).toEqual(['a', 'b']);
      expect(found.hasVariant).toBe(true);
      expect([...(await readComponent(folder)).tensors.keys()]).toEqual(['c']);
    },
  );

  it('falls back to the plain file and says so', async () => {
    const plain = writeSafetensors([['a', a]]);
    const folder = await component({ 'diffusion_pytorch_model.safetensors': plain });
    expect((await readComponent(folder, { variant: 'fp16' })).hasVariant).toBe(false);
    expect((await readComponent(folder)).hasVariant).toBe(true);
    await writeFile(join(folder, 'diffusion_pytorch_model.fp16.safetensors'), plain);
    expect((await readComponent(folder, { variant: 'fp16' })).hasVariant).toBe(true);
    await expect(readComponent(folder, { variant: '../x' })).rejects.toThrow(/"\.\.\/x"/);
  });

  it('follows links, as in the Hugging Face cache', async () => {
    const folder = await component({ blob: writeSafetensors([['a', a]]) });
    const blobs = await emptyFolder();
    await rename(join(folder, 'blob'), join(blobs, 'blob'));
    await symlink(join(blobs, 'blob'), join(folder, 'model.safetensors'));
    expect([...(await readComponent(folder)).tensors.keys()]).toEqual(['a']);
  });
});

describe('damage', () => {
  it('names a truncated file', async () => {
    const folder = await component({ 'model.safetensors': writeSafetensors([['a', a]]) });
    await truncate(join(folder, 'model.safetensors'), 70);
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"SAFETENSORS: <folder>/model.safetensors: safetensors: expected the end of tensor "a" within 70 bytes, got 76. Delete the file and fetch it again."`,
    );
    await truncate(join(folder, 'model.safetensors'), 4);
    expect(await messageOf(readComponent(folder))).toMatch(
      /^SAFETENSORS: <folder>.*10 bytes, got 4/,
    );
  });

  it.each([
    ['a zip', [0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a pickle', [0x80, 2, 0x7d, 0x71, 0, 0x2e, 0, 0, 0, 0, 0, 0]],
  ])('refuses %s called safetensors', async (_, bytes) => {
    const folder = await component({ 'model.safetensors': Uint8Array.from(bytes) });
    expect(await messageOf(readComponent(folder))).toMatch(
      /^SAFETENSORS: <folder>\/model\.safetensors: expected a safetensors file, got a pickle/,
    );
  });

  it('reads a header of 640 bytes, whose length begins as a pickle does', async () => {
    const withNote = (length: number) => writeSafetensors([['a', a]], { p: 'x'.repeat(length) });
    const short = withNote(0).length - 8 - 4 * a.data.length;
    const padded = withNote(640 - short);
    expect([padded[0], padded[1], padded[8]]).toEqual([0x80, 2, 0x7b]);
    const folder = await component({ 'model.safetensors': padded });
    expect([...(await readComponent(folder)).tensors.keys()]).toEqual(['a']);
  });

  it('explains Git LFS pointers', async () => {
    const folder = await component({
      'model.safetensors': 'version https://git-lfs\noid sha256:0',
    });
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"SAFETENSORS: <folder>/model.safetensors: expected a safetensors file, got a Git LFS pointer. Fetch the file itself, for example with \`git lfs pull\`."`,
    );
  });

  it('never takes pickles', async () => {
    const folder = await component({ 'diffusion_pytorch_model.bin': 'x' });
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"MODEL_NOT_FOUND: <folder>: expected diffusion_pytorch_model.safetensors or model.safetensors, got only diffusion_pytorch_model.bin, which are pickles. Fetch the safetensors version of the model; Maliang never reads pickles."`,
    );
  });

  it.each([
    '../a.safetensors',
    '/etc/a.safetensors',
    'C:a.safetensors',
    'x\\a.safetensors',
    'a.bin',
    '..',
    '',
  ])('refuses the shard name %j', async (shard) => {
    const folder = await component({ 'model.safetensors.index.json': index({ a: shard }) });
    expect(await messageOf(readComponent(folder))).toMatch(
      /^CONFIG: <folder>\/model\.safetensors\.index\.json: expected names of files/,
    );
  });

  it('names a missing shard', async () => {
    const folder = await component({ 'model.safetensors.index.json': goodIndex });
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"FILE_READ: <folder>/model-00001-of-00002.safetensors: expected a readable file, got nothing there. Check the path and its permissions."`,
    );
  });

  it('names tensors that are not where the index says, or twice', async () => {
    const swapped = index({
      a: 'model-00002-of-00002.safetensors',
      b: 'model-00001-of-00002.safetensors',
    });
    const folder = await component({ ...shards, 'model.safetensors.index.json': swapped });
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"WEIGHTS: <folder>: expected tensor "a" in model-00002-of-00002.safetensors, as the index says, got it in model-00001-of-00002.safetensors. Check that the weight file belongs to the config beside it."`,
    );
    await writeFile(join(folder, 'model-00001-of-00002.safetensors'), writeSafetensors([['b', a]]));
    expect(await messageOf(readComponent(folder))).toMatchInlineSnapshot(
      `"WEIGHTS: <folder>/model-00002-of-00002.safetensors: expected every tensor in one shard, got "b" also in model-00001-of-00002.safetensors. Check that the weight file belongs to the config beside it."`,
    );
  });

  it.each([
    ['{', /^CONFIG: <folder>\/config\.json: expected JSON, got/],
    ['{\n  "a": 1\n  "b"', /^CONFIG: <folder>\/config\.json: expected JSON, got .+\. Correct/],
    ['\ufeff{}', /expected JSON, got a byte order mark before it\. Save the file as UTF-8/],
    ['[]', /^CONFIG: <folder>\/config\.json: expected a JSON object, got/],
    ['{}', /^CONFIG: <folder>\/config\.json: expected _class_name or architectures/],
    ['{"_class_name":3}', /^CONFIG: .*got 3/],
  ])('refuses the config %s', async (text, message) => {
    const folder = await component({
      'config.json': text,
      'model.safetensors': writeSafetensors([['a', a]]),
    });
    expect(await messageOf(readComponent(folder))).toMatch(message);
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe', async () => {
    const folder = await component({});
    execFileSync('mkfifo', [join(folder, 'model.safetensors')]);
    expect(await messageOf(readComponent(folder))).toMatch(/^FILE_READ: .*a regular file/);
  });
});
