/** @file Model folders: what loads however it is stored, and what is refused with a clear reason. */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MaliangError } from '../../src/core/errors.js';
import {
  elementCount,
  floatTensor,
  numberToBf16,
  numberToF16,
  type TensorData,
} from '../../src/core/tensor-data.js';
import {
  parseSafetensorsHeader,
  readTensor,
  writeSafetensors,
} from '../../src/formats/safetensors.js';
import { componentParameters, parseComponent } from '../../src/models/registry.js';
import type { GenerateOptions } from '../../src/pipelines/generation-request.js';
import { type LoadProgress, TextToImage } from '../../src/pipelines/text-to-image.js';
import { type ReferenceFolder, referenceFolder } from '../reference-folder.js';
import { enginesOf } from '../runtime/process-state.js';

const small: GenerateOptions = { width: 32, height: 24, steps: 2, seed: 3 };
const weightFile = 'diffusion_pytorch_model.safetensors';

let folder: ReferenceFolder;
beforeEach(() => {
  folder = referenceFolder('xl-single-encoder');
});
afterEach(() => folder[Symbol.dispose]());

const inside = (...names: string[]): string => join(folder.path, ...names);

async function draw(path = folder.path): Promise<Uint8Array> {
  await using pipe = await TextToImage.fromPretrained(path, { threads: 1 });
  return (await pipe.generate('a red apple', small)).images[0]!.pixels;
}

function readTensors(file: string): Map<string, TensorData> {
  const bytes = new Uint8Array(readFileSync(file));
  const { tensors } = parseSafetensorsHeader(bytes, bytes.length);
  return new Map([...tensors].map(([name, entry]) => [name, readTensor(bytes, entry)]));
}

function editJson(file: string, change: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(file, 'utf8'));
  change(json);
  writeFileSync(file, JSON.stringify(json));
}

const distance = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

describe('a folder loads', () => {
  it.each([
    ['f16', numberToF16, 2],
    ['bf16', numberToBf16, 12],
  ] as const)('with weights in %s', async (dtype, convert, most) => {
    const exact = await draw();
    for (const component of ['unet', 'vae', 'text_encoder_2']) {
      const [name] = readdirSync(inside(component)).filter((f) => f.endsWith('.safetensors'));
      const file = inside(component, name!);
      const half = [...readTensors(file)].map(([key, { shape, data }]): [string, TensorData] => [
        key,
        { dtype, shape, data: Uint16Array.from(data as Float32Array, convert) },
      ]);
      writeFileSync(file, writeSafetensors(new Map(half)));
    }
    const rounded = await draw();
    expect(distance(rounded, exact)).toBeGreaterThan(0);
    expect(distance(rounded, exact)).toBeLessThan(most);
  });

  it('with weights in shards', async () => {
    const whole = await draw();
    const entries = [...readTensors(inside('unet', weightFile))];
    rmSync(inside('unet', weightFile));
    const half = entries.length >> 1;
    const weightMap: Record<string, string> = {};
    for (const [i, part] of [entries.slice(0, half), entries.slice(half)].entries()) {
      const name = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
      writeFileSync(inside('unet', name), writeSafetensors(new Map(part)));
      for (const [key] of part) weightMap[key] = name;
    }
    const index = JSON.stringify({ metadata: {}, weight_map: weightMap });
    writeFileSync(inside('unet', `${weightFile}.index.json`), index);
    expect(await draw()).toEqual(whole);
  });

  it('behind the links of a Hugging Face cache', async () => {
    const plain = await draw();
    const blobs = inside('blobs');
    const snapshot = inside('snapshots', '0123abcd');
    mkdirSync(blobs);
    for (const component of ['unet', 'vae', 'text_encoder_2', 'tokenizer_2', 'scheduler']) {
      mkdirSync(join(snapshot, component), { recursive: true });
      for (const file of readdirSync(inside(component))) {
        const blob = `${component}-${file}`;
        renameSync(inside(component, file), join(blobs, blob));
        symlinkSync(`../../../blobs/${blob}`, join(snapshot, component, file));
      }
    }
    renameSync(inside('model_index.json'), join(blobs, 'index'));
    symlinkSync('../../blobs/index', join(snapshot, 'model_index.json'));
    expect(await draw(snapshot)).toEqual(plain);
  });

  it('from vocab.json and merges.txt without tokenizer.json', async () => {
    const plain = await draw();
    rmSync(inside('tokenizer_2', 'tokenizer.json'));
    expect(await draw()).toEqual(plain);
  });

  it('with defaults of its own, and tells its progress', async () => {
    editJson(inside('model_index.json'), (json) => {
      json._maliang = { steps: 3, guidance_scale: 2.5 };
    });
    const progress: LoadProgress[] = [];
    await using pipe = await TextToImage.fromPretrained(folder.path, {
      threads: 1,
      onProgress: (step) => progress.push(step),
    });
    expect(pipe.defaults).toEqual({
      steps: 3,
      guidanceScale: 2.5,
      negativePrompt: undefined,
      width: 64,
      height: 64,
    });
    const { images } = await pipe.generate('a');
    expect(images[0]).toMatchObject({ steps: 3, guidanceScale: 2.5, width: 64, height: 64 });
    expect(progress.map(({ stage, component }) => `${stage} ${component}`)).toEqual([
      'read text_encoder_2',
      'read unet',
      'read vae',
      'load text_encoder_2',
      'load unet',
      'load vae',
    ]);
  });

  it('and corrects old scheduler files as diffusers does, with a warning', async () => {
    using old = referenceFolder('sd1');
    await using before = await TextToImage.fromPretrained(old.path, { threads: 1 });
    editJson(join(old.path, 'scheduler', 'scheduler_config.json'), (json) => {
      json.steps_offset = 0;
      json.clip_sample = true;
    });
    await using after = await TextToImage.fromPretrained(old.path, { threads: 1 });
    expect(before.warnings).toEqual([]);
    expect(after.warnings).toEqual([
      expect.stringContaining('steps_offset 0 is read as 1, as diffusers does.'),
      expect.stringContaining('clip_sample true is read as false, as diffusers does.'),
    ]);
    const [a, b] = [await before.generate('a', small), await after.generate('a', small)];
    expect(a.images[0]!.pixels).toEqual(b.images[0]!.pixels);
  });

  it('and shows the colours of its latents while pictures are unfinished', async () => {
    using sd1 = referenceFolder('sd1');
    await using pipe = await TextToImage.fromPretrained(sd1.path, { threads: 1 });
    for await (const event of pipe.stream('a', { ...small, width: 80, height: 48 })) {
      if (event.kind !== 'step') continue;
      const { width, height, pixels } = await event.preview();
      expect([width, height, pixels.length]).toEqual([20, 12, 20 * 12 * 3]); // one pixel per latent
    }
  });
});

describe('a folder is refused', () => {
  afterEach(() => expect(enginesOf(process.pid)).toEqual([]));

  const expectRefusal = async (code: string, message: string | RegExp): Promise<void> => {
    await expect(TextToImage.fromPretrained(folder.path)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  };

  it('when there is none', async () => {
    await expect(TextToImage.fromPretrained(inside('nowhere'))).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      exitCode: 3,
    });
  });

  it('without a weight file', async () => {
    rmSync(inside('unet', weightFile));
    await expectRefusal('MODEL_NOT_FOUND', 'diffusion_pytorch_model.safetensors');
  });

  it('with only a pickle', async () => {
    renameSync(inside('unet', weightFile), inside('unet', 'diffusion_pytorch_model.bin'));
    await expectRefusal('MODEL_NOT_FOUND', 'which are pickles');
  });

  it('with a truncated weight file', async () => {
    truncateSync(inside('vae', weightFile), 4000);
    await expectRefusal('SAFETENSORS', weightFile);
  });

  it('without a tokenizer', async () => {
    rmSync(inside('tokenizer_2'), { recursive: true });
    await expectRefusal('MODEL_NOT_FOUND', 'tokenizer.json, or vocab.json and merges.txt');
  });

  it('with one tensor missing, one too many or one of another shape', async () => {
    const file = inside('unet', weightFile);
    const tensors = readTensors(file);
    const bias = tensors.get('conv_in.bias')!;
    const store = (changes: [string, TensorData][], without?: string): void => {
      const changed = new Map([...tensors, ...changes]);
      if (without) changed.delete(without);
      writeFileSync(file, writeSafetensors(changed));
    };
    store([], 'conv_in.bias');
    await expectRefusal('WEIGHTS', '1 of \\d+ missing, first "conv_in.bias"');
    store([['extra.weight', bias]]);
    await expectRefusal('WEIGHTS', '1 unused, first "extra.weight"');
    store([['conv_in.bias', { dtype: 'f32', shape: [4], data: new Float32Array(4) }]]);
    await expectRefusal(
      'WEIGHTS',
      'first "conv_in.bias" \\[4\\] where the config asks for \\[16\\]',
    );
  });

  it.each([
    [
      'another pipeline',
      { _class_name: 'FluxPipeline' },
      '_class_name of StableDiffusionPipeline or .*, got "FluxPipeline"',
    ],
    [
      'another denoiser',
      { unet: ['diffusers', 'UNet3DConditionModel'] },
      'unet: expected UNet2DConditionModel',
    ],
    [
      'another autoencoder',
      { vae: ['diffusers', 'VQModel'] },
      'vae: expected AutoencoderKL or AutoencoderTiny',
    ],
    ['no denoiser', { unet: [null, null] }, 'no such component'],
  ])('with %s', async (_, change, message) => {
    editJson(inside('model_index.json'), (json) => Object.assign(json, change));
    await expectRefusal('MODEL_UNSUPPORTED', message);
  });

  it('when its parts do not fit each other', async () => {
    using sd1 = referenceFolder('sd1');
    for (const part of ['config.json', weightFile]) {
      renameSync(inside('unet', part), join(sd1.path, 'unet', part));
    }
    await expect(TextToImage.fromPretrained(sd1.path)).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('addition_embed_type text_time penultimate, got last'),
    });
  });

  it('when a draft is missing, or fits neither the text nor the latents', async () => {
    using drafted = referenceFolder('xl-draft');
    const refusal = async (): Promise<string> => {
      const pipe = TextToImage.fromPretrained(drafted.path);
      const error = await pipe.catch((cause: MaliangError) => cause);
      return error instanceof Error ? error.message : 'loaded';
    };
    const index = join(drafted.path, 'model_index.json');
    const known = readFileSync(index, 'utf8');
    editJson(index, (json) => Object.assign(json, { _class_name: 'StableDiffusionXLPipeline' }));
    expect(await refusal()).toContain('expected unet in_channels 4, got 8');
    writeFileSync(index, known);
    editJson(index, (json) => Object.assign(json, { draft: [null, null] }));
    expect(await refusal()).toContain('draft: expected LatentDraft, got no such component');
    writeFileSync(index, known);
    const config = { _class_name: 'LatentDraft', hidden_size: 4, block_out_channels: [4] };
    for (const [fields, message] of [
      [{ input_size: 20, out_channels: 3 }, 'expected draft out_channels 4, got 3'],
      [{ input_size: 12, out_channels: 4 }, 'expected draft input_size 20, got 12'],
    ] as const) {
      const json = { ...config, ...fields, sample_size: 2 };
      writeFileSync(join(drafted.path, 'draft', 'config.json'), JSON.stringify(json));
      const { weights } = componentParameters(parseComponent('LatentDraft', json));
      const zeros = [...weights].map(([name, { shape }]): [string, TensorData] => [
        name,
        floatTensor(new Float32Array(elementCount(shape)), shape),
      ]);
      writeFileSync(join(drafted.path, 'draft', weightFile), writeSafetensors(zeros));
      expect(await refusal()).toContain(message);
    }
  });

  it('with broken settings', async () => {
    editJson(inside('model_index.json'), (json) => {
      json._maliang = { steps: 'many' };
    });
    await expectRefusal('CONFIG', '_maliang with steps');
    editJson(inside('model_index.json'), (json) => {
      delete json._maliang;
      json.force_zeros_for_empty_prompt = 'yes';
    });
    await expectRefusal('CONFIG', 'force_zeros_for_empty_prompt true or false');
  });
});
